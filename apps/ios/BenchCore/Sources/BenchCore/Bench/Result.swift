// bench-result/1: what an agent answers; raw samples in nanoseconds, and nil is unknown. The schema says the rest.

public struct BenchResult: Codable, Sendable {
    public var schema = "bench-result/1"
    public var id: String
    public var createdAt: String
    public var labels: [String: String]?
    public var agent: AgentFacts
    public var transport: String?
    public var device: DeviceFacts
    public var artifact: ResultArtifact
    public var runtime: ResultRuntime
    /// As the job has it, fields that this agent does not know included.
    public var config: JSON
    public var runs: [BenchRun]
    public var summary: [String: JSON]?
    public var validity: Validity?
}

public struct ResultArtifact: Codable, Sendable {
    public var format: String
    public var sha256: String
    public var size: Int
    public var name: String?
    public var recipe: String?
    public var inputs: [TensorInfo]?
    public var outputs: [TensorInfo]?
}

public struct TensorInfo: Codable, Sendable {
    public var name: String?
    public var dtype: String
    public var shape: [Int]
}

public struct ResultRuntime: Codable, Sendable {
    public var name: String
    public var version: String
    public var backend: String
    public var threads: Int?
    public var options: [String: JSON]?
    public var placement: Placement?
    public var plannedBytes: Int?
}

public struct Validity: Codable, Sendable {
    public var valid: Bool
    public var flags: [String]
}

/// One launch; filled in step by step, so that what was measured before an error is told.
public struct BenchRun: Codable, Sendable {
    public var index = 0
    public var arm: String?
    public var order: Int?
    public var startedAt: String?
    public var clock: ClockFacts?
    public var cold: ColdStart?
    public var warmup: [Int]?
    public var warmupStop: WarmUpStop?
    public var samples: [Int]?
    public var iterationsPerSample: Int?
    public var window: Int?
    public var completed: Int?
    public var memory: MemoryCounters?
    public var env: [MachineState]?
    public var energy: JSON?
    public var check: JSON?
    public var ops: [JSON]?
    public var outputs: [[OutputTensor]]?
    public var error: RunError?
}

public struct ClockFacts: Codable, Sendable {
    public var source: String
    public var resolution: Int
}

/// Cold start in its parts.
public struct ColdStart: Codable, Sendable {
    public var processStart: Int?
    public var runtimeInit: Int?
    public var load: Int?
    public var prepare: Int?
    public var firstInference: Int?
    public var pageCache: String?
    public var compileCache: CompileCache?
}

/// Counters of the system, in bytes by their names.
public struct MemoryCounters: Codable, Sendable {
    public var baseline: [String: Int]?
    public var loaded: [String: Int]?
    public var peak: [String: Int]?
    public var end: [String: Int]?
    public var peakMethod: String?
    public var limit: Int?
}

/// The machine's state `t` nanoseconds after the run began; temperatures in degrees Celsius.
public struct MachineState: Codable, Sendable {
    public var t: Int
    public var thermal: String?
    public var headroom: Double?
    public var socC: Double?
    public var skinC: Double?
    public var batteryC: Double?
    public var batteryPct: Double?
    public var charging: Bool?
    public var powerSave: Bool?
    public var cpuKhz: [Int]?

    public init(t: Int, thermal: String? = nil) {
        (self.t, self.thermal) = (t, thermal)
    }
}

public struct OutputTensor: Codable, Sendable {
    public var name: String
    public var dtype: DType
    public var shape: [Int]
    public var offset: Int
}

public struct RunError: Codable, Sendable {
    public var phase: Phase
    public var message: String
    public var code: String?
}

/// How far a run came.
public enum Phase: String, Codable, Sendable {
    case deploy, start, load, warmup, measure, collect
}
