// From a job's file to a result: what a launch of this agent does.

import Foundation

/// There is no job to answer.
public struct NoJob: Error, CustomStringConvertible {
    public let description: String
}

/// The answer to a job, whose paths are relative to its folder; `NoJob` where it is no bench-job/1 that can be read.
///
/// It takes as long as the job says: call it where nothing waits for it.
public func answer(
    _ file: URL, _ runtimes: [Runtime], _ machine: Machine, progress: @escaping ProgressHandler = { _ in }
) async throws -> BenchResult {
    let (job, config) = try read(file)
    let (why, wanted, started) = (refusal(job, runtimes), job.runtime, utcNow())
    var run = BenchRun()
    var session: Session?
    if let why {
        run.startedAt = started
        run.error = RunError(phase: .start, message: why, code: "UNSUPPORTED_JOB")
    } else if let runtime = runtimes.first(where: { $0.name == wanted.name }) {
        let opened = Session(job, in: file.deletingLastPathComponent(), runtime, machine, progress)
        run = await opened.execute()
        session = opened
    }
    let inputs = job.cases[0].map { TensorInfo(name: $0.name, dtype: $0.dtype.rawValue, shape: $0.shape) }
    let asked = job.artifact
    return BenchResult(
        id: UUID().uuidString.lowercased(), createdAt: started, agent: machine.agent, device: machine.facts,
        artifact: ResultArtifact(
            format: asked.format, sha256: asked.sha256, size: asked.size ?? 0,
            name: asked.name.flatMap { $0.isEmpty ? nil : $0 }, inputs: why == nil ? inputs : nil),
        runtime: ResultRuntime(
            name: wanted.name, version: session?.version ?? "unknown", backend: wanted.backend ?? "cpu",
            threads: wanted.threads ?? 1, options: wanted.options ?? [:], placement: session?.placement),
        config: config, runs: [run])
}

/// A folder's job.json in, its result.json out; the exit code of all agents: 0 for a result without error, 1 for one with
/// an error, 2 where there is none.
public func execute(in folder: URL, _ runtimes: [Runtime], _ machine: Machine) async -> Int32 {
    do {
        let job = folder.appendingPathComponent("job.json")
        let result = try await answer(job, runtimes, machine) { print("phase: \($0.rawValue)") }
        try write(result, to: folder.appendingPathComponent("result.json"))
        return result.runs[0].error == nil ? 0 : 1
    } catch {
        print("no result: \(error)")
        return 2
    }
}

func utcNow() -> String {
    let format = ISO8601DateFormatter()
    format.formatOptions.insert(.withFractionalSeconds)
    return format.string(from: Date())
}

private func read(_ file: URL) throws -> (BenchJob, JSON) {
    do {
        let data = try Data(contentsOf: file)
        let job = try decode(BenchJob.self, data)
        guard !job.cases.isEmpty else { throw NoJob(description: "\(file.lastPathComponent) has no cases") }
        return (job, try decode(Raw.self, data).config)
    } catch let error as DecodingError {
        throw NoJob(description: "\(file.lastPathComponent) is not a bench-job/1: \(error)")
    } catch let error as CocoaError {
        throw NoJob(description: "cannot read \(file.lastPathComponent): \(error.localizedDescription)")
    }
}

private struct Raw: Decodable {
    let config: JSON
}
