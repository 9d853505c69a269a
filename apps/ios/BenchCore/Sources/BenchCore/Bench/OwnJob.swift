// A job out of a bundle's golden samples: what the benchmark screen runs, the same as one that a host sends.

import Foundation

private let secondNs = 1_000_000_000

extension JobConfig {
    /// Half a second to eight seconds of warm-up, then ten to twenty of measuring.
    public static let latency = JobConfig(
        mode: "latency",
        warmup: Stop(minIters: 10, minNs: secondNs / 2, maxNs: 8 * secondNs, adaptive: true),
        measure: Stop(minIters: 100, minNs: 10 * secondNs, maxNs: 20 * secondNs, maxIters: 100_000))
}

/// Written into a folder, with the artifact's files and its first golden samples; answers the job's file.
public func writeJob(
    _ artifact: Artifact, in folder: URL, _ config: JobConfig, threads: Int, backend: String, samples: Int = 1
) throws -> URL {
    try artifact.unpack(into: folder.appendingPathComponent("files"))
    var (inputs, cases): ([UInt8], [[TensorFile]]) = ([], [])
    for sample in 0..<samples {
        cases.append(
            zip(artifact.inputNames, try artifact.inputs(sample)).map { name, tensor in
                defer { inputs += tensor.data }
                let (dtype, shape) = (tensor.dtype, tensor.shape)
                return TensorFile(name: name, dtype: dtype, shape: shape, path: "inputs.bin", offset: inputs.count)
            })
    }
    try Data(inputs).write(to: folder.appendingPathComponent("inputs.bin"))
    let file = try artifact.about.members("files").first { try $0.text("path") == ExactText(artifact.entry) }
    let job = BenchJob(
        schema: "bench-job/1", id: UUID().uuidString.lowercased(),
        artifact: JobArtifact(
            format: artifact.format, path: "files/\(artifact.entry)",
            // a folder has no digest of its own in a manifest
            sha256: try file?.text("sha256").description ?? String(repeating: "0", count: 64),
            name: artifact.name, size: try artifact.about.whole("size_bytes")),
        runtime: JobRuntime(
            name: artifact.runtime, backend: backend, threads: threads,
            options: Dictionary(uniqueKeysWithValues: artifact.options.map { ($0.description, $1) })),
        config: config, cases: cases, outputs: artifact.outputNames)
    let place = folder.appendingPathComponent("job.json")
    try write(job, to: place)
    return place
}
