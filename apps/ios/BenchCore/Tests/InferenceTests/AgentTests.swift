// Jobs from their file to their result, by real inference; tests/e2e/test_ios.py reads the results as the host does.

import BenchCore
import Foundation
import Testing

struct AgentTests {
    private let digits: Digits

    init() throws {
        digits = try Digits()
    }

    private var machine: Machine {
        let system = DeviceFacts(
            manufacturer: nil, model: nil, os: OperatingSystem("linux"), cpu: Processor("x86_64"), ram: nil, emulator: nil)
        return Machine(AgentFacts(version: "1", build: "debug"), system, memory: SystemMemory(), thermal: Cool())
    }

    private var runtimes: [Runtime] {
        [Runtime("onnxruntime", backends: ["cpu"]) { [engine = digits.engine] in engine }]
    }

    /// A job over 20 digits.
    private func job(_ config: [String: Any], changes: [String: Any] = [:]) throws -> URL {
        let artifact = try digits.artifact()
        try artifact.unpack(into: digits.folder)
        var inputs: [UInt8] = []
        var cases: [[[String: Any]]] = []
        for sample in 0..<20 {
            let tensors = try artifact.inputs(sample)
            cases.append(
                zip(artifact.inputNames, tensors).map { name, tensor in
                    let place: [String: Any] = ["path": "inputs.bin", "offset": inputs.count]
                    inputs += tensor.data
                    return ["name": name, "dtype": tensor.dtype.rawValue, "shape": tensor.shape].merging(place) { $1 }
                })
        }
        try Data(inputs).write(to: digits.folder.appendingPathComponent("inputs.bin"))
        let entry = try artifact.about.text("entry").description
        let job: [String: Any] = [
            "schema": "bench-job/1", "id": "6f1c3b1e-6f0a-4a1e-9a0e-0c9a2f5f0001", "config": config, "cases": cases,
            "artifact": ["format": "onnx", "path": entry, "sha256": String(repeating: "0", count: 64), "size": 97000],
            "runtime": ["name": "onnxruntime"], "outputs": artifact.outputNames, "new_in_some_version": 1,
        ]
        let file = digits.folder.appendingPathComponent("job.json")
        try JSONSerialization.data(withJSONObject: job.merging(changes) { $1 }).write(to: file)
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
        let run = try await result("verify", job(["mode": "verify"], changes: ["capture": "outputs.bin"]))
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
        let stop = ["min_iters": 30, "min_ns": 0, "max_ns": 1_000_000_000]
        let run = try await result("latency", job(["mode": "latency", "warmup": stop, "measure": stop]))
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
        let run = try await result(mode, job(["mode": mode, "measure": ["min_iters": 5, "max_ns": 1_000_000_000]]))
        #expect(run.error == nil)
        #expect((run.memory?.peak?["vm_hwm"] != nil) == (mode == "memory"))
        #expect((run.completed ?? 0 >= 5) == (mode == "throughput"))
        #expect(run.cold?.prepare != nil)
    }

    @Test("what this agent cannot do it refuses by name, and what cannot be loaded is a result")
    func refusals() async throws {
        defer { digits.clear() }
        var run = try await result("refused", job(["mode": "profile"]))
        #expect(run.error?.code == "UNSUPPORTED_JOB")
        #expect(run.error?.message.hasPrefix("config.mode: this agent cannot do profile (ios 1 can: verify, ") ?? false)
        run = try await result("required", job(["mode": "verify"], changes: ["requires": ["config.pin_cpus"]]))
        #expect(run.error?.message.hasPrefix("requires: this agent cannot do config.pin_cpus") ?? false)
        let file = try job(["mode": "verify"])
        try Data("no model".utf8).write(to: digits.folder.appendingPathComponent("model.onnx"))
        run = try await result("broken", file)
        #expect(run.error?.phase == .load)
        try Data("{}".utf8).write(to: file)
        await #expect(throws: NoJob.self) { try await answer(file, runtimes, machine) }
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
