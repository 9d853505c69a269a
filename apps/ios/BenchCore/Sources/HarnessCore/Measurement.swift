// Measures a model on this device by the same jobs that a host sends.

import BenchCore
import Foundation

/// What was measured on one backend.
public struct BackendMeasurement: Identifiable, Sendable {
    public let backend: String
    /// With nothing compiled, and again: what the first load takes apart from later ones.
    public let first, later, latency: BenchResult
    /// Where the results are.
    public let files: [URL]

    public var id: String { backend }

    /// The median only: results are raw samples, and `edgeship` makes statistics of them.
    public var summary: String {
        if let error = [first, later, latency].compactMap(\.runs[0].error).first {
            return "\(backend): \(error.phase.rawValue): \(error.message)"
        }
        let run = latency.runs[0]
        let samples = (run.samples ?? []).sorted()
        let median = Double(samples[samples.count / 2]) / Double(run.iterationsPerSample ?? 1)
        let figures = [loadedMs(first), loadedMs(later), median / 1e6].map { String(format: "%.3f", $0) }
        return "\(backend): first load \(figures[0]) ms, later \(figures[1]) ms; "
            + "median \(figures[2]) ms of \(samples.count) samples"
    }

    private func loadedMs(_ result: BenchResult) -> Double {
        let cold = result.runs[0].cold
        return Double((cold?.load ?? 0) + (cold?.prepare ?? 0)) / 1e6
    }
}

/// Three launches: a first load, a later one, and latency, as `config` says. Jobs lie in `scratch`, which is cleared;
/// results are written into `kept`.
public func measured(
    _ artifact: Artifact, on backend: String, of flavour: Flavour, _ machine: Machine, threads: Int,
    scratch: URL, kept: URL, config: JobConfig = .latency, progress: @escaping ProgressHandler
) async throws -> BackendMeasurement {
    let files = FileManager.default
    try files.createDirectory(at: kept, withIntermediateDirectories: true)
    func launched(_ config: JobConfig) async throws -> (result: BenchResult, file: URL) {
        if files.fileExists(atPath: scratch.path) { try files.removeItem(at: scratch) }
        try files.createDirectory(at: scratch, withIntermediateDirectories: true)
        let job = try writeJob(artifact, in: scratch, config, threads: threads, backend: backend)
        let result = try await answer(job, [flavour.runtime], machine, progress: progress)
        let file = kept.appendingPathComponent("\(result.id).json")
        try write(result, to: file)
        return (result, file)
    }
    try flavour.forget()
    let first = try await launched(JobConfig(mode: "cold"))
    let later = try await launched(JobConfig(mode: "cold"))
    let latency = try await launched(config)
    return BackendMeasurement(
        backend: backend, first: first.result, later: later.result, latency: latency.result,
        files: [first.file, later.file, latency.file])
}
