// Two slots for bundles: a new one is put beside the one in use, tried once, and given up where it does not answer.
//
// state.json is the one truth, replaced whole: whatever moment the power goes, `start` finds a slot that worked, or one
// that was never tried. What was begun and not ended is a slot that state.json does not name; the next install clears
// it. The files are those of apps/board/slots.py. The bytes come with the app, or by the app's own client.

import Foundation

private let slotNames = ["a", "b"]
private let stateName = "state.json"
private let rootName = "root.json"

/// What is installed is being tried, and nobody said yet whether it is good.
public struct Busy: Error, CustomStringConvertible {
    public let description = "the bundle that is installed is being tried: say whether it is good, or start again"
}

/// A folder that holds two slots; nobody else writes there, and one thread at a time.
public struct Slots: Sendable {
    private let folder: String
    private let disk: any Disk

    public init(_ folder: URL, disk: any Disk = SystemDisk()) {
        (self.folder, self.disk) = (folder.path, disk)
    }

    /// What is installed; nil where nothing is yet.
    public var state: SlotState? {
        get throws { try read(stateName).map { try SlotState(parse($0)) } }
    }

    /// Put a bundle beside the one that works; `Refused` where it may not be used, and what works stays as it is.
    ///
    /// `root` is the one that the app ships with; the newest that any bundle brought is kept and asked from then on.
    /// `Busy` while the bundle that is installed is being tried. Files that the other slot has are linked.
    public func install(_ bundle: URL, _ root: Root, _ device: Device) throws -> Verified {
        var state = try state
        guard state?.stage != .trying else { throw Busy() }
        let trusted = try newest(newer(root), tree(bundle), now: device.now)
        try makeFolders(folder)
        try replace(rootName, trusted.data)
        var known = device
        known.installed = state?.current.version ?? device.installed
        _ = try verify(bundle, trusted, known)
        if let new = state, new.stage == .new { state = try back(from: new) }  // it was never loaded: it makes way
        let slot = slotNames.first { $0 != state?.current.name } ?? slotNames[0]
        try copy(tree(bundle), slot)
        let found = try verify(place(slot), trusted, known)
        let current = Slot(name: slot, version: try found.manifest.whole("version"))
        try write(SlotState(current: current, stage: .new, before: state?.current))
        return found
    }

    /// The bundle to load now; one that was tried and never found good is given up for the one before it.
    ///
    /// The mark is on disk before this answers: a process that dies while it loads has used up the only try.
    public func start() throws -> URL? {
        var state = try state
        if let tried = state, tried.stage == .trying { state = try back(from: tried) }
        guard let state else { return nil }
        if state.stage == .new { try write(state.at(.trying)) }
        return place(state.current.name)
    }

    /// What `start` gave answers as it should: it is the one to go back to. False where nothing is being tried.
    public func foundGood() throws -> Bool {
        guard let state = try state, state.stage == .trying else { return false }
        try write(state.at(.good))
        return true
    }

    /// The root that an earlier bundle brought, where it is newer than the app's; one that has rotted counts for nothing.
    public func newer(_ root: Root) throws -> Root {
        do {
            guard let kept = try read(rootName).map(anchor) else { return root }
            return kept.version > root.version ? kept : root
        } catch is Refused {
            return root
        }
    }

    /// To the bundle that worked before; nil where there was none.
    private func back(from state: SlotState) throws -> SlotState? {
        guard let before = state.before else {
            try disk.delete(path(stateName))
            try disk.sync(folder)
            return nil
        }
        let worked = SlotState(current: before, stage: .good, before: nil)
        try write(worked)
        return worked
    }

    private func copy(_ files: Tree, _ slot: String) throws {
        let other = slotNames.first { $0 != slot } ?? slot
        try clear(path(slot))
        let there = isThere(path(other)) ? try tree(place(other)) : Tree(parts: [:])
        for (name, part) in files.parts.sorted(by: { $0.key < $1.key }) {
            let file = "\(path(slot))/\(name)"
            try makeFolders(parent(of: file))
            if let digest = name.after("files/"), there.parts[name] != nil, try there.digest(name) == digest {
                try disk.link(file, to: "\(path(other))/\(name)")
            } else {
                try disk.write(file, part.forEachBlock)
                try disk.sync(file)
            }
        }
        for folder in try foldersIn(path(slot)) { try disk.sync(folder) }
        try disk.sync(folder)
    }

    private func clear(_ path: String) throws {
        guard isThere(path) else { return }
        for file in try FileManager.default.subpathsOfDirectory(atPath: path).sorted().reversed() {
            try disk.delete("\(path)/\(file)")
        }
        try disk.delete(path)
    }

    private func makeFolders(_ folder: String) throws {
        guard !isThere(folder) else { return }
        try makeFolders(parent(of: folder))
        try disk.makeFolder(folder)
    }

    private func write(_ state: SlotState) throws {
        try replace(stateName, Array(state.written.utf8))
    }

    private func replace(_ name: String, _ data: [UInt8]) throws {
        let partial = path("\(name).partial")
        try disk.write(partial) { use in try data.withUnsafeBytes(use) }
        try disk.sync(partial)
        try disk.rename(partial, to: path(name))
        try disk.sync(folder)
    }

    private func read(_ name: String) throws -> [UInt8]? {
        guard isThere(path(name)) else { return nil }
        return Array(try Data(contentsOf: place(name)))
    }

    private func path(_ name: String) -> String { "\(folder)/\(name)" }

    private func place(_ name: String) -> URL { URL(fileURLWithPath: path(name)) }
}

private func isThere(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
}

private func parent(of path: String) -> String {
    URL(fileURLWithPath: path).deletingLastPathComponent().path
}

/// A folder and all below it.
private func foldersIn(_ path: String) throws -> [String] {
    let below = try FileManager.default.subpathsOfDirectory(atPath: path).map { "\(path)/\($0)" }
    return [path] + below.filter { URL(fileURLWithPath: $0).hasDirectoryPath }
}
