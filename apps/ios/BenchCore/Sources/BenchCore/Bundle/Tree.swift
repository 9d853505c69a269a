// A bundle's files, in a folder or a zip: only plain names, only plain files, before anything is read.

import Foundation

private let mostEntries = 10_000
let mostBytes = 8 << 30
/// Of a manifest or a root.
let mostBytesInMemory = 16 << 20

/// Where each file's bytes are, by its name with / between folders.
public struct Tree: Sendable {
    public let parts: [ExactText: Part]

    /// A small file's bytes; `Refused`: file-missing, too-large, unreadable.
    public func read(_ name: ExactText) throws -> [UInt8] {
        guard let part = parts[name] else { throw Refused(.fileMissing, name) }
        guard part.size <= mostBytesInMemory else { throw Refused(.tooLarge, name) }
        return try orUnreadable(name) { try part.bytes() }
    }

    /// A file's SHA-256; `Refused`: file-missing, unreadable.
    func digest(_ name: ExactText) throws -> ExactText {
        guard let part = parts[name] else { throw Refused(.fileMissing, name) }
        return try orUnreadable(name) { try part.digest() }
    }
}

/// The files of a bundle; `Refused`: unreadable, path-outside, link, duplicate-entry, compressed, too-large.
public func tree(_ bundle: URL) throws -> Tree {
    try orUnreadable(bundle.lastPathComponent) {
        var isFolder: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: bundle.path, isDirectory: &isFolder)
        let parts = isThere && isFolder.boolValue ? try folder(bundle.path) : try entries(bundle.path)
        try checkRoom(parts)
        return Tree(parts: parts)
    }
}

/// What a file system or a zip file says against reading becomes `Refused`: unreadable.
private func orUnreadable<Found>(_ place: some CustomStringConvertible, _ read: () throws -> Found) throws -> Found {
    do {
        return try read()
    } catch let refused as Refused {
        throw refused
    } catch {
        throw Refused(.unreadable, place)
    }
}

/// A folder that cannot be read may hold what nobody looked at: it throws.
private func folder(_ root: String) throws -> [ExactText: Part] {
    var found: [ExactText: Part] = [:]
    var waiting = [""]
    while let folder = waiting.popLast() {
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(root)/\(folder)") {
            let inside = folder.isEmpty ? name : "\(folder)/\(name)"
            guard isPlain(ExactText(inside)) else { throw Refused(.pathOutside, inside) }
            let about = try FileManager.default.attributesOfItem(atPath: "\(root)/\(inside)")  // of a link itself
            switch about[.type] as? FileAttributeType {
            case .typeRegular:
                guard let size = about[.size] as? NSNumber else { throw Refused(.unreadable, inside) }
                found[ExactText(inside)] = Part(path: "\(root)/\(inside)", offset: 0, size: size.intValue)
            case .typeDirectory: waiting.append(inside)
            default: throw Refused(.link, inside)
            }
        }
        try checkRoom(found)
    }
    return found
}

/// No sum is larger than a number can be: each is at most a file's size on a disk, or 32 bits.
private func checkRoom(_ parts: [ExactText: Part]) throws {
    let total = parts.values.reduce(0) { $0 + $1.size }
    guard parts.count <= mostEntries, total <= mostBytes else {
        throw Refused(.tooLarge, "\(parts.count) entries of \(total) bytes")
    }
}
