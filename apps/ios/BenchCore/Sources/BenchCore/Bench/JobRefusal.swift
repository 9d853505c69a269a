// Which jobs this agent does, and how it refuses the others: apps/protocol/README.md.

let agentVersion = "1"

private let modes = ["verify", "latency", "throughput", "cold", "memory"]
/// The fields that a job may list in `requires`.
private let fields = [
    "outputs", "capture", "feedback", "runtime.options", "runtime.threads", "config.warmup", "config.measure",
]

/// Which field of a job this agent cannot do, and what it can; nil where it can do the job.
func refusal(_ job: BenchJob, _ runtimes: [Runtime]) -> String? {
    let (config, wanted) = (job.config, job.runtime)
    let runtime = runtimes.first { $0.name == wanted.name }
    let asked: [(field: String, value: String, can: [String])] = [
        ("schema", job.schema ?? "bench-job/1", ["bench-job/1"]),
        ("runtime.name", wanted.name, runtimes.map(\.name)),
        ("runtime.backend", wanted.backend ?? "cpu", runtime?.backends ?? []),
        ("config.mode", config.mode, modes),
        ("config.timed_region", config.timedRegion ?? "invoke", ["invoke"]),
        ("config.inputs", config.inputs ?? "file", ["file"]),
        ("config.concurrency", "\(config.concurrency ?? 1)", ["1"]),
    ]
    let required = (job.requires ?? []).map { ("requires", $0, fields) }
    guard let (field, value, can) = (asked + required).first(where: { !$0.can.contains($0.value) }) else { return nil }
    return "\(field): this agent cannot do \(value) (ios \(agentVersion) can: \(can.joined(separator: ", ")))"
}
