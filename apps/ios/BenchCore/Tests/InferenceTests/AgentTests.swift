// Jobs from their file to their result, by real inference; tests/e2e/test_ios_core.py reads them as the host does.

import BenchCore
import Foundation
import HarnessCore
import Testing

struct AgentTests {
    private let digits: DigitsBundle

    init() throws {
        digits = try DigitsBundle()
    }

    private var machine: Machine {
        let system = DeviceFacts(
            manufacturer: nil, model: nil, os: OperatingSystem("linux"), cpu: Processor("x86_64"), ram: nil,
            emulator: nil)
        return Machine(AgentFacts(version: "1", build: "debug"), system, memory: SystemMemory(), thermal: Cool())
    }

    private var runtimes: [Runtime] {
        [Runtime("onnxruntime", backends: ["cpu"]) { [engine = digits.engine] in engine }]
    }

    /// A job over 20 digits.
    private func job(_ config: JobConfig, _ change: (inout BenchJob) -> Void = { _ in }) throws -> URL {
        let file = try writeJob(digits.artifact(), in: digits.folder, config, threads: 1, backend: "cpu", samples: 20)
        var job = try decode(BenchJob.self, Data(contentsOf: file))
        change(&job)
        try write(job, to: file)
        return file
    }

    /// The result, which is left where the host's test finds it, too.
    private func result(_ name: String, _ job: URL) async throws -> BenchRun {
        let phases = Phases()
        let result = try await answer(job, runtimes, machine) { phases.add($0) }
        try write(result, to: digits.data.appendingPathComponent("result-\(name).json"))
        #expect(phases.all.first == .start || result.runs[0].error != nil)
        return result.runs[0]
    }

    @Test("verify writes the outputs of every case")
    func verifies() async throws {
        defer { digits.clear() }
        let run = try await result("verify", job(JobConfig(mode: "verify")) { $0.capture = "outputs.bin" })
        #expect(run.error == nil)
        #expect(run.outputs?.count == 20)
        let captured = try Data(contentsOf: digits.folder.appendingPathComponent("outputs.bin"))
        let artifact = try digits.artifact()
        for (sample, row) in (run.outputs ?? []).enumerated() {
            let bytes = Array(captured[row[0].offset..<row[0].offset + 40])
            let answered = try Tensor(row[0].dtype, row[0].shape, bytes)
            #expect(try best([answered]) == best(artifact.outputs(sample)))
        }
    }

    @Test("latency tells raw samples, the clock and the machine's state")
    func latency() async throws {
        defer { digits.clear() }
        let stop = Stop(minIters: 30, maxNs: 1_000_000_000)
        let run = try await result("latency", job(JobConfig(mode: "latency", warmup: stop, measure: stop)))
        #expect(run.error == nil)
        #expect(run.warmup?.count == 30)
        #expect((run.samples?.count ?? 0) * (run.iterationsPerSample ?? 1) >= 30)
        #expect(run.samples?.allSatisfy { $0 > 0 } ?? false)
        #expect(run.env?.first?.thermal == "none")
        #expect(run.cold?.load ?? 0 > 0)
    }

    @Test("memory reads the system's counters", arguments: ["memory", "cold", "throughput"])
    func memory(mode: String) async throws {
        defer { digits.clear() }
        let run = try await result(mode, job(JobConfig(mode: mode, measure: Stop(minIters: 5, maxNs: 1_000_000_000))))
        #expect(run.error == nil)
        #expect((run.memory?.peak?["vm_hwm"] != nil) == (mode == "memory"))
        #expect((run.completed ?? 0 >= 5) == (mode == "throughput"))
        #expect(run.cold?.prepare != nil)
    }

    @Test("what this agent cannot do it refuses by name, and what cannot be loaded is a result")
    func refusals() async throws {
        defer { digits.clear() }
        var run = try await result("refused", job(JobConfig(mode: "profile")))
        #expect(run.error?.code == "UNSUPPORTED_JOB")
        #expect(run.error?.message.hasPrefix("config.mode: this agent cannot do profile (ios 1 can: verify, ") ?? false)
        run = try await result("required", job(JobConfig(mode: "verify")) { $0.requires = ["config.pin_cpus"] })
        #expect(run.error?.message.hasPrefix("requires: this agent cannot do config.pin_cpus") ?? false)
        let file = try job(JobConfig(mode: "verify"))
        try Data("no model".utf8).write(to: digits.folder.appendingPathComponent("files/model.onnx"))
        run = try await result("broken", file)
        #expect(run.error?.phase == .load)
        try Data("{}".utf8).write(to: file)
        await #expect(throws: NoJob.self) { try await answer(file, runtimes, machine) }
    }

    @Test("a folder's job is answered beside it, with the exit code of all agents")
    func headless() async throws {
        defer { digits.clear() }
        let job = try job(JobConfig(mode: "cold"))
        #expect(await execute(in: digits.folder, runtimes, machine) == 0)
        let place = digits.folder.appendingPathComponent("result.json")
        #expect(try decode(BenchResult.self, Data(contentsOf: place)).runs[0].error == nil)
        #expect(await execute(in: digits.folder, [], machine) == 1)
        try FileManager.default.removeItem(at: job)
        #expect(await execute(in: digits.folder, runtimes, machine) == 2)
    }

    @Test("a job that was sent is answered beside it, and what earlier ones left is gone")
    func sent() async throws {
        defer { digits.clear() }
        let files = FileManager.default
        func place(_ name: String) -> URL { digits.folder.appendingPathComponent(name) }
        for left in ["job-0.json", "job-0.zip", "job", "digits.zip"] { try Data("old".utf8).write(to: place(left)) }
        try files.copyItem(at: digits.data.appendingPathComponent("sent.zip"), to: place("job-1.zip"))
        #expect(await execute(sent: "job-1", in: digits.folder, runtimes, machine) == 0)
        let there = try files.contentsOfDirectory(atPath: digits.folder.path).sorted()
        #expect(there == ["digits.zip", "job-1.bin", "job-1.json"])
        for (name, kept) in [("job-1.json", "result-sent.json"), ("job-1.bin", "sent.bin")] {
            try files.moveItem(at: place(name), to: digits.data.appendingPathComponent(kept))
        }
        #expect(await execute(sent: "job-2", in: digits.folder, runtimes, machine) == 2)
    }

    @Test("the benchmark screen's launches tell a first load from a later one")
    func screen() async throws {
        defer { digits.clear() }
        let (forgotten, told) = (Phases(), Phases())
        let flavour = Flavour(runtimes[0]) { forgotten.add(.start) }
        let one = try await measured(
            digits.artifact(), on: "cpu", of: flavour, machine, threads: 1,
            scratch: digits.folder.appendingPathComponent("bench"),
            kept: digits.folder.appendingPathComponent("results"),
            config: JobConfig(mode: "latency", measure: Stop(minIters: 5, maxNs: 1_000_000_000))
        ) { told.add($0) }
        #expect(forgotten.all.count == 1)
        #expect(told.all.last == .collect)
        #expect(one.files.allSatisfy { FileManager.default.fileExists(atPath: $0.path) })
        #expect(one.summary.hasPrefix("cpu: first load "))
        #expect(one.summary.hasSuffix(" samples"))
        let none = try await measured(
            digits.artifact(), on: "gpu", of: flavour, machine, threads: 1,
            scratch: digits.folder.appendingPathComponent("bench"), kept: digits.folder
        ) { told.add($0) }
        #expect(none.summary.hasPrefix("gpu: start: runtime.backend: this agent cannot do gpu (ios 1 can: cpu)"))
    }
}

private struct Cool: ThermalProbe {
    func state(atNs: Int) -> MachineState { MachineState(t: atNs, thermal: "none") }
}

private final class Phases: @unchecked Sendable {
    private let lock = NSLock()
    private var told: [Phase] = []

    var all: [Phase] { lock.withLock { told } }

    func add(_ phase: Phase) { lock.withLock { told.append(phase) } }
}
