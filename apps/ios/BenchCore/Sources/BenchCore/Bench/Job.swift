// bench-job/1: what an agent is asked. The schema in apps/protocol says what each field means, and its default.

public struct BenchJob: Codable, Sendable {
    public var schema: String?
    public var id: String?
    public var requires: [String]?
    public var artifact: JobArtifact
    public var runtime: JobRuntime
    public var files: [JobFile]?
    public var config: JobConfig
    public var cases: [[TensorFile]]
    public var outputs: [String]?
    public var capture: String?
    public var feedback: [String: String]?
    public var deadlineNs: Int?
}

public struct JobArtifact: Codable, Sendable {
    public var format: String
    public var path: String
    public var sha256: String
    public var name: String?
    public var size: Int?
}

public struct JobFile: Codable, Sendable {
    public var path: String
    public var sha256: String
    public var size: Int
}

public struct JobRuntime: Codable, Sendable {
    public var name: String
    public var backend: String?
    public var threads: Int?
    public var options: [String: JSON]?
}

public struct JobConfig: Codable, Sendable {
    public var mode: String
    public var warmup: Stop?
    public var measure: Stop?
    public var processes: Int?
    public var intervalNs: Int?
    public var batch: Int?
    public var concurrency: Int?
    public var inputs: String?
    public var seed: Int?
    public var timedRegion: String?
    public var memorySamplingNs: Int?
    public var pinCpus: [Int]?

    public init(mode: String, warmup: Stop? = nil, measure: Stop? = nil) {
        (self.mode, self.warmup, self.measure) = (mode, warmup, measure)
    }
}

/// When to stop a phase.
public struct Stop: Codable, Sendable {
    public var minIters: Int?
    public var minNs: Int?
    public var maxNs: Int?
    public var maxIters: Int?
    public var adaptive: Bool?

    public init(minIters: Int? = nil, minNs: Int? = nil, maxNs: Int? = nil, maxIters: Int? = nil, adaptive: Bool? = nil)
    {
        (self.minIters, self.minNs, self.maxNs) = (minIters, minNs, maxNs)
        (self.maxIters, self.adaptive) = (maxIters, adaptive)
    }
}

/// One tensor's raw little-endian bytes at `offset` of `path`, relative to the job's folder.
public struct TensorFile: Codable, Sendable {
    public var name: String
    public var dtype: DType
    public var shape: [Int]
    public var path: String
    public var offset: Int?
}
