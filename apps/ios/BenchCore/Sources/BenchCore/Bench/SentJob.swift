// A job that a Mac sent: one zip file in, its result and what it captured out.

import Foundation

private let prefix = "job-"
private let work = "job"

/// Executes NAME.zip of a folder: its captured outputs are then NAME.bin and, last, its result NAME.json there. The exit
/// code is that of `execute(in:)`.
///
/// Nothing on the Mac's side removes files here: what earlier jobs left goes first.
public func execute(sent name: String, in folder: URL, _ runtimes: [Runtime], _ machine: Machine) async -> Int32 {
    let files = FileManager.default
    let archive = folder.appendingPathComponent("\(name).zip")
    let place = folder.appendingPathComponent(work)
    do {
        for old in try files.contentsOfDirectory(atPath: folder.path)
        where old == work || old.hasPrefix(prefix) && old != archive.lastPathComponent {
            try files.removeItem(at: folder.appendingPathComponent(old))
        }
        for (path, part) in try entries(archive.path) {
            let file = place.appendingPathComponent(path.description)
            try files.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try SystemDisk().write(file.path) { use in try part.forEachBlock(use) }
        }
        try files.removeItem(at: archive)
        let code = await execute(in: place, runtimes, machine)
        let job = try decode(BenchJob.self, Data(contentsOf: place.appendingPathComponent("job.json")))
        if let captured = job.capture.map(place.appendingPathComponent), files.fileExists(atPath: captured.path) {
            try files.moveItem(at: captured, to: folder.appendingPathComponent("\(name).bin"))
        }
        // renamed when everything else is there: who sees it takes the rest, too
        try files.moveItem(
            at: place.appendingPathComponent("result.json"), to: folder.appendingPathComponent("\(name).json"))
        try files.removeItem(at: place)
        return code
    } catch {
        print("no result: \(error)")
        return 2
    }
}
