// A bundle in a zip file, read by its directory (PKWARE's APPNOTE 4.3): entries one after another, nothing between.
//
// Foundation reads no zip files, and other libraries take much that other readers do not. Here a file that is read at
// all is read alike in every language.

private let endSignature = 0x0605_4B50
private let centralSignature = 0x0201_4B50
private let localSignature = 0x0403_4B50
private let endBytes = 22
private let centralBytes = 46
private let localBytes = 30
private let utf8Name = 0x800
private let encrypted = 1
private let kindOfMode = 0xF000
private let regularFile = 0x8000

/// It is no zip file as bundles are written.
private struct BrokenArchive: Error {
    let place: String
}

/// The entries of a zip file; `Refused`: path-outside, link, duplicate-entry, compressed; other errors.
func entries(_ path: String) throws -> [ExactText: Part] {
    let archive = try Reader(path)
    let end = Header(bytes: try archive.bytes(archive.size - endBytes, endBytes))
    let (size, start) = (end.int(12), end.int(16))
    guard end.int(0) == endSignature, start + size + endBytes == archive.size, size <= mostBytesInMemory else {
        throw BrokenArchive(place: "no directory at its end")
    }
    let directory = Header(bytes: try archive.bytes(start, size))
    let found = try read(directory, of: archive, path, end: start)
    guard [4, 6, 8, 10, 20].map(end.short) == [0, 0, found.count, found.count, 0] else {
        throw BrokenArchive(place: "a directory of another length")
    }
    return found
}

private func read(_ directory: Header, of archive: Reader, _ path: String, end: Int) throws -> [ExactText: Part] {
    var found: [ExactText: Part] = [:]
    var (at, expected) = (0, 0)
    while at < directory.bytes.count {
        let entry = try Central(directory, at)
        try entry.check(found)
        guard entry.flags & ~utf8Name == 0, entry.packed == entry.size, entry.offset == expected,
            try entry.isSame(in: archive)
        else { throw BrokenArchive(place: "an entry that is not what the directory says") }
        let begin = expected + localBytes + entry.name.utf8.count
        found[entry.name] = Part(path: path, offset: begin, size: entry.size)
        expected = begin + entry.size
        at += centralBytes + entry.name.utf8.count
    }
    guard expected == end else { throw BrokenArchive(place: "bytes that no entry has") }
    return found
}

/// One entry as the directory has it.
private struct Central {
    let name: ExactText
    let flags, method, packed, size, mode, offset: Int
    /// What the entry's own header must repeat.
    let shared: ArraySlice<UInt8>

    init(_ directory: Header, _ at: Int) throws {
        guard at + centralBytes <= directory.bytes.count else { throw BrokenArchive(place: "a directory cut short") }
        let length = directory.short(at + 28)
        let begin = at + centralBytes
        guard directory.int(at) == centralSignature, directory.int(at + 30) == 0,
            begin + length <= directory.bytes.count
        else { throw BrokenArchive(place: "a directory that is not one") }
        name = ExactText(utf8: Array(directory.bytes[begin..<begin + length]))
        guard ExactText(name.description) == name else { throw BrokenArchive(place: "a name that is not UTF-8") }
        (flags, method) = (directory.short(at + 8), directory.short(at + 10))
        (packed, size) = (directory.int(at + 20), directory.int(at + 24))
        (mode, offset) = (directory.short(at + 40), directory.int(at + 42))
        shared = directory.bytes[at + 8..<at + 30]
    }

    /// `Refused`: path-outside, link, duplicate-entry, compressed.
    func check(_ before: [ExactText: Part]) throws {
        guard isPlain(name) else { throw Refused(.pathOutside, name) }
        guard [0, regularFile].contains(mode & kindOfMode) else { throw Refused(.link, name) }
        guard before[name] == nil else { throw Refused(.duplicateEntry, name) }
        guard method == 0, flags & encrypted == 0 else { throw Refused(.compressed, name) }
    }

    func isSame(in archive: Reader) throws -> Bool {
        let local = Header(bytes: try archive.bytes(offset, localBytes))
        return try local.int(0) == localSignature
            && local.bytes[6..<28] == shared
            && local.short(28) == 0
            && archive.bytes(offset + localBytes, name.utf8.count) == name.utf8
    }
}

/// Numbers in little-endian bytes.
private struct Header {
    let bytes: [UInt8]

    func short(_ at: Int) -> Int {
        Int(bytes[at]) | Int(bytes[at + 1]) << 8
    }

    func int(_ at: Int) -> Int {
        short(at) | short(at + 2) << 16
    }
}
