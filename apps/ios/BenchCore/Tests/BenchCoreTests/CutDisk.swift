// A disk that stops after so many changes: the process is killed, or the power goes, and what was not synced is lost.

import Foundation

@testable import BenchCore

/// The process ended here.
struct Stopped: Error {}

/// For one thread, as slots are.
final class CutDisk: Disk, @unchecked Sendable {
    /// How a change is lost, as long as `kept`, a file or a folder, is not synced.
    private struct Loss {
        var kept: String
        let happen: (String) throws -> Void
    }

    private let disk = SystemDisk()
    private let power: Bool
    private var left: Int
    private var losses: [Loss] = []

    /// Stops after `left` changes; without power where `power` says so.
    init(after left: Int, power: Bool) {
        (self.left, self.power) = (left, power)
    }

    func makeFolder(_ folder: String) throws {
        try disk.makeFolder(folder)
        try changed(parent(folder)) { _ in try? FileManager.default.removeItem(atPath: folder) }
    }

    func write(_ file: String, _ blocks: Blocks) throws {
        var all: [UInt8] = []
        try blocks { all += $0 }
        try disk.write(file) { _ in }
        try changed(parent(file)) { _ in try? FileManager.default.removeItem(atPath: file) }
        for end in [all.count / 2, all.count] {
            try disk.write(file) { use in try all[..<end].withUnsafeBytes(use) }
            try changed(file) { [disk] file in
                if FileManager.default.fileExists(atPath: file) { try disk.write(file) { _ in } }
            }
        }
    }

    func link(_ file: String, to existing: String) throws {
        try disk.link(file, to: existing)
        try changed(parent(file)) { _ in try? FileManager.default.removeItem(atPath: file) }
    }

    func rename(_ file: String, to target: String) throws {
        let replaced = FileManager.default.contents(atPath: target)
        try disk.rename(file, to: target)
        for index in losses.indices where losses[index].kept == file { losses[index].kept = target }
        try changed(parent(target)) { [disk] _ in
            try disk.rename(target, to: file)
            try replaced?.write(to: URL(fileURLWithPath: target))
        }
    }

    func delete(_ path: String) throws {
        let held = FileManager.default.contents(atPath: path)
        try disk.delete(path)
        try changed(parent(path)) { [disk] _ in
            if let held { try held.write(to: URL(fileURLWithPath: path)) } else { try disk.makeFolder(path) }
        }
    }

    func sync(_ path: String) throws {
        try disk.sync(path)
        losses.removeAll { $0.kept == path }
        try step()
    }

    private func changed(_ kept: String, _ loss: @escaping (String) throws -> Void) throws {
        losses.append(Loss(kept: kept, happen: loss))
        try step()
    }

    private func step() throws {
        left -= 1
        guard left <= 0 else { return }
        if power {
            for loss in losses.reversed() { try loss.happen(loss.kept) }
        }
        throw Stopped()
    }

    private func parent(_ path: String) -> String {
        URL(fileURLWithPath: path).deletingLastPathComponent().path
    }
}
