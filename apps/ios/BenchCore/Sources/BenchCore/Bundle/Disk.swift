// What slots change on a disk, each call one change: a test can stop after any of them.

import Foundation

/// Bytes that come in blocks.
public typealias Blocks = ((UnsafeRawBufferPointer) throws -> Void) throws -> Void

public protocol Disk: Sendable {
    /// Make one folder; its parent is there.
    func makeFolder(_ folder: String) throws

    /// A new file with these bytes, which may not be on the disk before `sync`.
    func write(_ file: String, _ blocks: Blocks) throws

    /// A second name for a file.
    func link(_ file: String, to existing: String) throws

    /// Give a file the name of another, which it replaces.
    func rename(_ file: String, to target: String) throws

    /// A file, or a folder that is empty.
    func delete(_ path: String) throws

    /// Until this returns, a file's bytes, or the names in a folder, may be lost when the power goes.
    func sync(_ path: String) throws
}

/// Each throws `POSIXError`.
public struct SystemDisk: Disk {
    public init() {}

    public func makeFolder(_ folder: String) throws {
        try check(mkdir(folder, 0o755))
    }

    public func write(_ file: String, _ blocks: Blocks) throws {
        let handle = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        try check(handle)
        defer { close(handle) }
        try blocks { block in
            var done = 0
            while done < block.count {
                let written = Foundation.write(handle, block.baseAddress! + done, block.count - done)
                try check(Int32(written < 0 ? -1 : 0))
                done += written
            }
        }
    }

    public func link(_ file: String, to existing: String) throws {
        try check(Foundation.link(existing, file))
    }

    public func rename(_ file: String, to target: String) throws {
        try check(Foundation.rename(file, target))
    }

    public func delete(_ path: String) throws {
        try check(remove(path))
    }

    public func sync(_ path: String) throws {
        let handle = open(path, O_RDONLY)
        try check(handle)
        defer { close(handle) }
        #if canImport(Darwin)
            if fcntl(handle, F_FULLFSYNC) == 0 { return }  // fsync leaves it in the drive's own memory there
        #endif
        try check(fsync(handle))
    }

    private func check(_ answer: Int32) throws {
        guard answer >= 0 else { throw systemError() }
    }
}
