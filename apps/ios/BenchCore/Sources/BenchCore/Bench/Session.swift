// Executes one job on an engine, step by step: cold start in its parts, then what the mode asks for.

import Foundation

/// A runtime by its name; `start` is what `runtime_init` times. `backends`: which of a job's it can do.
public struct Runtime: Sendable {
    public let name: String
    public let backends: [String]
    public let start: @Sendable () throws -> any Engine

    public init(_ name: String, backends: [String], start: @escaping @Sendable () throws -> any Engine) {
        (self.name, self.backends, self.start) = (name, backends, start)
    }
}

/// Where a run is; told to whoever shows it.
public typealias ProgressHandler = @Sendable (Phase) -> Void

private let stateEveryNs = 1_000_000_000
private let ticksPerSample = 100

final class Session {
    private let job: BenchJob
    private let folder: URL
    private let runtime: Runtime
    private let machine: Machine
    private let progress: ProgressHandler
    private let began: Int
    private var phase = Phase.start
    private var cold = ColdStart(pageCache: "unknown")
    private var run = BenchRun()
    /// The runtime's, once it was started.
    private(set) var version = "unknown"
    private(set) var placement: Placement?

    init(_ job: BenchJob, in folder: URL, _ runtime: Runtime, _ machine: Machine, _ progress: @escaping ProgressHandler)
    {
        (self.job, self.folder, self.runtime, self.machine, self.progress) = (job, folder, runtime, machine, progress)
        began = machine.clock.nowNs()
        cold.processStart = machine.processStartNs
        run.startedAt = utcNow()
        run.clock = ClockFacts(source: machine.clock.source, resolution: resolutionNs(machine.clock))
    }

    /// Any failure becomes the run's `error`: an app does not end because a file cannot be loaded.
    func execute() async -> BenchRun {
        do {
            watch()
            try await steps()
        } catch {
            run.error = RunError(phase: phase, message: "\(type(of: error)): \(error)")
        }
        run.cold = cold
        return run
    }

    private func steps() async throws {
        let (config, clock) = (job.config, machine.clock)
        enter(.start)
        let first = try readCase(job.cases[0], in: folder)
        if config.mode == "memory" { run.memory = MemoryCounters(baseline: try machine.memory.resetPeak()) }
        var start = clock.nowNs()
        let engine = try runtime.start()
        cold.runtimeInit = clock.nowNs() - start
        version = engine.version
        enter(.load)
        start = clock.nowNs()
        let model = try await engine.open(load)
        cold.load = clock.nowNs() - start
        start = clock.nowNs()
        try await model.prepare(first)
        cold.prepare = clock.nowNs() - start
        cold.compileCache = model.compileCache
        run.memory?.loaded = try machine.memory.counters()
        if config.mode == "latency" || config.mode == "throughput" {
            enter(.warmup)
            try model.feed(first)
            cold.firstInference = try await timed(clock, model.invoke)
            let warm = try await warmUp(config.warmup ?? Stop()) {
                defer { watch() }
                return try await timed(clock, model.invoke)
            }
            (run.warmup, run.warmupStop) = (warm.samples, warm.stop)
            enter(.measure)
            if config.mode == "latency" {
                try await measure(model, warm.samples)
            } else {
                try await throughput(model)
            }
        }
        enter(.collect)
        if ["verify", "memory", "cold"].contains(config.mode) || job.capture != nil { try await play(model) }
        run.memory?.peak = try machine.memory.counters()
        run.memory?.peakMethod = "kernel"
        placement = try await model.placement()
    }

    private var load: Load {
        let (asked, file) = (job.runtime, folder.appendingPathComponent(job.artifact.path))
        let options = Dictionary(uniqueKeysWithValues: (asked.options ?? [:]).map { (ExactText($0), $1) })
        return Load(
            file, inputs: job.cases[0].map(\.name), outputs: job.outputs ?? [], threads: asked.threads ?? 1,
            backend: asked.backend ?? "cpu", options: options)
    }

    private func enter(_ phase: Phase) {
        self.phase = phase
        progress(phase)
    }

    /// The machine's state, at most once a second.
    private func watch() {
        guard let thermal = machine.thermal else { return }
        let at = machine.clock.nowNs() - began
        if let last = run.env?.last, at - last.t < stateEveryNs { return }
        run.env = (run.env ?? []) + [thermal.state(atNs: at)]
    }

    /// Raw samples over the cases in turn; calls shorter than 100 clock ticks are batched into one sample.
    private func measure(_ model: any Model, _ warm: [Int]) async throws {
        let (clock, stop) = (machine.clock, job.config.measure ?? Stop())
        let cases = try job.cases.map { try readCase($0, in: folder) }
        let typical = max(warm.isEmpty ? cold.firstInference ?? 1 : warm.sorted()[warm.count / 2], 1)
        let ticks = ticksPerSample * (run.clock?.resolution ?? 1)
        let repeats = max(1, (ticks + typical - 1) / typical)
        var samples: [Int] = []
        let start = clock.nowNs()
        while !isFinished(samples.count * repeats, clock.nowNs() - start, stop) {
            if cases.count > 1 { try model.feed(cases[samples.count % cases.count]) }
            samples.append(try await timed(clock, model.invoke, repeats: repeats))
            watch()
        }
        run.samples = samples
        if repeats > 1 { run.iterationsPerSample = repeats }
    }

    /// Calls completed in a window, one after another without a pause.
    private func throughput(_ model: any Model) async throws {
        let (clock, stop) = (machine.clock, job.config.measure ?? Stop())
        let start = clock.nowNs()
        var completed = 0
        while !isFinished(completed, clock.nowNs() - start, stop) {
            try await model.invoke()
            completed += 1
        }
        (run.window, run.completed) = (clock.nowNs() - start, completed)
    }

    /// Run every case once, its state fed back from the one before, and write outputs to the capture file.
    ///
    /// When the time for it (max_ns, where it is given) is over, the cases after the first min_iters are left out.
    private func play(_ model: any Model) async throws {
        let capture = try job.capture.map { try Capture(folder.appendingPathComponent($0)) }
        let stop = job.config.mode == "verify" ? job.config.measure ?? Stop() : Stop()
        let start = machine.clock.nowNs()
        var (rows, state): ([[OutputTensor]], [String: Tensor]) = ([], [:])
        for one in job.cases {
            let elapsed = machine.clock.nowNs() - start
            if let most = stop.maxNs, most > 0, rows.count >= stop.minIters ?? 0, elapsed >= most { break }
            let inputs = zip(one, try readCase(one, in: folder)).map { state[$0.name] ?? $1 }
            try model.feed(inputs)
            let taken = try await timed(machine.clock, model.invoke)
            cold.firstInference = cold.firstInference ?? taken
            let answers = try model.fetch()
            let names = job.outputs.flatMap { $0.isEmpty ? nil : $0 } ?? answers.indices.map { "output_\($0)" }
            rows.append(try zip(names, answers).compactMap { try capture?.write($0, $1) })
            let named = Dictionary(uniqueKeysWithValues: zip(names, answers))
            state = [:]
            for (giver, taker) in job.feedback ?? [:] { state[taker] = named[giver] }
            watch()
        }
        try capture?.finish()
        if capture != nil { run.outputs = rows }
    }
}
