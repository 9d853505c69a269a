// What measuring asks of the machine that it runs on: an app passes its own probes.

import Foundation

/// Named so because Swift has a `Clock` of its own.
public protocol MonotonicClock: Sendable {
    /// What is read, as a result names it.
    var source: String { get }

    func nowNs() -> Int
}

public protocol MemoryProbe: Sendable {
    /// Bytes by the names that bench-result/1 has for counters.
    func counters() throws -> [String: Int]

    /// Make what is resident now the new peak, where the system lets us, and read the counters.
    func resetPeak() throws -> [String: Int]
}

public protocol ThermalProbe: Sendable {
    /// The machine's state so long after the run began; called at most once a second, never while a call is timed.
    func state(atNs: Int) -> MachineState
}

/// The agent's name and build, what the device is, and its probes.
public struct Machine: Sendable {
    public let agent: AgentFacts
    public let facts: DeviceFacts
    let clock: any MonotonicClock
    let memory: any MemoryProbe
    let thermal: (any ThermalProbe)?
    /// From the start of the process to the first line of ours, where the system tells.
    let processStartNs: Int?

    public init(
        _ agent: AgentFacts, _ facts: DeviceFacts, memory: any MemoryProbe, thermal: (any ThermalProbe)? = nil,
        clock: any MonotonicClock = SystemClock(), processStartNs: Int? = nil
    ) {
        (self.agent, self.facts, self.clock, self.memory) = (agent, facts, clock, memory)
        (self.thermal, self.processStartNs) = (thermal, processStartNs)
    }
}

public struct AgentFacts: Codable, Sendable {
    public var kind: String
    public var version: String
    public var build: String?
    public var gitCommit: String?
    public var importsTorch: Bool?

    public init(version: String, build: String? = nil) {
        (kind, self.version, self.build) = ("ios", version, build)
    }
}

public struct DeviceFacts: Codable, Sendable {
    public var profile: String?
    public var idHash: String?
    public var manufacturer: String?
    public var model: String?
    public var soc: String?
    public var os: OperatingSystem
    public var cpu: Processor
    public var ram: Int?
    public var accelerators: [String]?
    public var emulator: Bool?
    public var rooted: Bool?

    public init(manufacturer: String?, model: String?, os: OperatingSystem, cpu: Processor, ram: Int?, emulator: Bool?)
    {
        (self.manufacturer, self.model, self.os) = (manufacturer, model, os)
        (self.cpu, self.ram, self.emulator) = (cpu, ram, emulator)
    }
}

public struct OperatingSystem: Codable, Sendable {
    public var name: String
    public var version: String?
    public var apiLevel: Int?
    public var build: String?

    public init(_ name: String, _ version: String? = nil) {
        (self.name, self.version) = (name, version)
    }
}

public struct Processor: Codable, Sendable {
    public var arch: String
    public var cores: Int?
    public var clusters: [JSON]?
    public var features: [String]?

    public init(_ arch: String, cores: Int? = nil) {
        (self.arch, self.cores) = (arch, cores)
    }
}

/// The smallest step seen between two readings, in nanoseconds.
func resolutionNs(_ clock: some MonotonicClock) -> Int {
    (0..<200).map { _ in
        let before = clock.nowNs()
        var after = clock.nowNs()
        while after == before { after = clock.nowNs() }
        return after - before
    }.min() ?? 1
}
