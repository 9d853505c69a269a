// Slots: updates that are cut short at any moment, versions, and tries that do not end well.

import Foundation
import Testing

@testable import BenchCore

final class SlotsTests {
    private let root: Root
    private let device = Device(now: "2026-11-30T12:00:00Z", compatible: "digits")
    private let folder = FileManager.default.temporaryDirectory.appendingPathComponent("edgeship-\(UUID().uuidString)")

    init() throws {
        root = try anchor(Array(Data(contentsOf: bundle("root.json"))))
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    /// With version 5, found good.
    private func store(_ name: String = "store", disk: any Disk = SystemDisk()) throws -> Slots {
        let slots = Slots(folder.appendingPathComponent(name), disk: disk)
        _ = try slots.install(bundle("five"), root, device)
        _ = try (slots.start(), slots.foundGood())
        return slots
    }

    /// The version that is used after a restart, which must verify.
    private func used(_ slots: Slots) throws -> Int? {
        try slots.start().map { try verify($0, root, device).manifest.whole("version") }
    }

    private func reason(_ action: () throws -> Any) -> Reason? {
        do {
            _ = try action()
            return nil
        } catch {
            return (error as? Refused)?.reason
        }
    }

    private func text(_ name: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
    }

    @Test("an update is tried once and kept when it is good")
    func update() throws {
        let slots = try store()
        _ = try slots.install(bundle("six"), root, device)
        #expect(try [used(slots), used(slots)] == [6, 5])  // it was loaded, and nothing was heard of it
        _ = try slots.install(bundle("six"), root, device)
        #expect(try used(slots) == 6)
        #expect(try slots.foundGood())
        #expect(try [used(slots), used(slots)] == [6, 6])
        #expect(reason { try slots.install(bundle("five"), root, device) } == .downgrade)
        #expect(try used(slots) == 6)
    }

    @Test("a first bundle that never answers is given up")
    func first() throws {
        let slots = Slots(folder.appendingPathComponent("store"))
        #expect(try slots.start() == nil)
        _ = try slots.install(bundle("five"), root, device)
        #expect(try [used(slots), used(slots)] == [5, nil])
    }

    @Test("a kept root that has rotted does not stop updates")
    func rotted() throws {
        let slots = try store()
        _ = try slots.install(bundle("rotated"), root, device)
        let kept = folder.appendingPathComponent("store/root.json")
        var data = try Data(contentsOf: kept)
        data[data.count / 2] = 0
        try data.write(to: kept)
        #expect(try slots.newer(root).version == root.version)
        _ = try slots.install(bundle("rotated"), root, device)
        #expect(try slots.newer(root).version > root.version)  // it is whole again
    }

    @Test("only what was loaded is found good, and what was never loaded makes way")
    func neverLoaded() throws {
        let slots = try store()
        _ = try slots.install(bundle("six"), root, device)
        #expect(try !slots.foundGood())  // said of 5, which is still running
        _ = try slots.install(bundle("six"), root, device)
        #expect(try used(slots) == 6)
        // its files are in use
        #expect(throws: Busy.self) { try slots.install(bundle("six"), self.root, self.device) }
        #expect(try used(slots) == 5)
    }

    @Test("a key that a bundle revoked stays revoked")
    func revoked() throws {
        let slots = try store()
        _ = try slots.install(bundle("rotated"), root, device)
        #expect(reason { try slots.install(bundle("old-key"), root, device) } == .keyRevoked)
    }

    @Test("what a refused bundle's root revokes is revoked")
    func revokedByRefused() throws {
        let slots = try store()
        let other = Device(now: "2026-11-30T12:00:00Z", compatible: "another product")
        #expect(reason { try slots.install(bundle("rotated"), root, other) } == .incompatible)
        #expect(reason { try slots.install(bundle("old-key"), root, device) } == .keyRevoked)
    }

    @Test("what the other slot has is not written again")
    func links() throws {
        let slots = try store()
        _ = try slots.install(bundle("six"), root, device)
        let files = folder.appendingPathComponent("store/b/files").path
        let links = try FileManager.default.contentsOfDirectory(atPath: files).map {
            try FileManager.default.attributesOfItem(atPath: "\(files)/\($0)")[.referenceCount] as? Int
        }
        #expect(links.map { $0 ?? 0 }.sorted() == [1, 2, 2, 2, 2])
    }

    @Test("the board's program reads the same state")
    func state() throws {
        let slots = try store()
        #expect(try text("store/state.json") == #"{"current":"a","version":5,"stage":"good","before":null}"#)
        _ = try slots.install(bundle("six"), root, device)
        #expect(try text("store/state.json") == #"{"current":"b","version":6,"stage":"new","before":["a",5]}"#)
        #expect(try slots.state?.before == Slot(name: "a", version: 5))
    }

    @Test("after any change on the disk a device has a working slot", arguments: [false, true])
    func cut(power: Bool) throws {
        var versions: [Int?] = []
        while true {
            let name = "store-\(versions.count)"
            let slots = try store(name)
            if try isUpdated(name, CutDisk(after: versions.count + 1, power: power)) { break }
            versions.append(try used(slots))
        }
        let working = versions.filter { $0 == 5 || $0 == 6 }.count
        let how = power ? "the power cut" : "killed"
        print("\(working)/\(versions.count) end in a working slot, \(how) after each change of an update")
        #expect(working == versions.count)
        #expect(versions.count > 30)
        #expect(Set(versions) == [5, 6])
    }

    /// Whether an update on this disk came to its end.
    private func isUpdated(_ name: String, _ disk: CutDisk) throws -> Bool {
        let slots = Slots(folder.appendingPathComponent(name), disk: disk)
        do {
            _ = try slots.install(bundle("six"), root, device)
            _ = try slots.start()
            return try slots.foundGood()
        } catch is Stopped {
            return false
        }
    }
}

private func bundle(_ name: String) throws -> URL {
    try TestData.file("slots/\(name)")
}
