// Bytes of a file, read in blocks where they lie.

import Foundation

private let block = 1 << 20

/// A file that is open for reading.
final class Reader: Sendable {
    private let handle: Int32
    let size: Int

    /// `POSIXError`.
    init(_ path: String) throws {
        handle = open(path, O_RDONLY)
        guard handle >= 0 else { throw systemError() }
        var about = stat()
        guard fstat(handle, &about) == 0 else { throw systemError() }
        size = Int(about.st_size)
    }

    deinit {
        close(handle)
    }

    /// Fill the buffer from an offset on; `POSIXError`, also where the file is too short.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, from offset: Int) throws {
        var done = 0
        while done < buffer.count {
            let got = pread(handle, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            guard got > 0 else { throw got == 0 ? POSIXError(.EIO) : systemError() }
            done += got
        }
    }

    func bytes(_ offset: Int, _ count: Int) throws -> [UInt8] {
        guard offset >= 0, count <= size, offset <= size - count else { throw POSIXError(.EIO) }
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            try fill(
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]), from: offset)
            filled = count
        }
    }
}

/// `size` bytes of a file from `offset` on.
public struct Part: Sendable {
    public let path: String
    public let offset: Int
    public let size: Int

    public func bytes() throws -> [UInt8] {
        try Reader(path).bytes(offset, size)
    }

    /// All of it in turn, a megabyte at most at a time.
    public func forEachBlock(_ use: (UnsafeRawBufferPointer) throws -> Void) throws {
        let reader = try Reader(path)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(block, max(size, 1)), alignment: 16)
        defer { buffer.deallocate() }
        for start in stride(from: 0, to: size, by: block) {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(block, size - start)])
            try reader.fill(part, from: offset + start)
            try use(UnsafeRawBufferPointer(part))
        }
    }

    /// Its SHA-256.
    public func digest() throws -> ExactText {
        var hash = SystemHash()
        try forEachBlock { hash.update($0) }
        return hexadecimal(hash.finished())
    }
}

/// The SHA-256 of files' contents, one after another, as text.
public func contentDigest(_ files: [URL]) throws -> String {
    var hash = SystemHash()
    for file in files where !file.hasDirectoryPath {
        let size = try Reader(file.path).size
        try Part(path: file.path, offset: 0, size: size).forEachBlock { hash.update($0) }
    }
    return hexadecimal(hash.finished()).description
}

func systemError() -> POSIXError {
    POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
}
