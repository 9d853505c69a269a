// What executes a model file: one engine per runtime, each a target of its own.

import Foundation

/// A runtime.
public protocol Engine: Sendable {
    /// Its name in manifests and jobs.
    var runtime: String { get }

    var version: String { get }

    /// What it can compute with, as jobs call it; the first is what it takes by itself.
    var backends: [String] { get }

    /// Read a file.
    func open(_ load: Load) async throws -> any Model
}

/// What to load, and how.
public struct Load: Sendable {
    public let file: URL
    /// The model's names in its order: tensors are found by them where the file knows them all, else by position.
    public let inputs: [String]
    public let outputs: [String]
    public let threads: Int
    public let backend: String
    /// The runtime's own, as the artifact or the job has them.
    public let options: Object

    public init(
        _ file: URL, inputs: [String], outputs: [String], threads: Int = 1, backend: String = "", options: Object = [:]
    ) {
        (self.file, self.inputs, self.outputs) = (file, inputs, outputs)
        (self.threads, self.backend, self.options) = (threads, backend, options)
    }
}

/// A loaded file, for one call at a time; tensors in the order of the load's `inputs` and `outputs`.
public protocol Model: AnyObject, Sendable {
    /// Whether what the system compiled for this file and device was there already; nil where nothing is compiled.
    var compileCache: CompileCache? { get }

    /// Compile or allocate for inputs of these shapes.
    func prepare(_ inputs: [Tensor]) async throws

    /// Take these inputs.
    func feed(_ inputs: [Tensor]) throws

    /// Compute: what a measurement times.
    func invoke() async throws

    /// What the last `invoke` answered.
    func fetch() throws -> [Tensor]

    /// Which backend takes how many operators, where the runtime tells.
    func placement() async throws -> Placement?
}

public enum CompileCache: String, Codable, Sendable {
    case absent, present, unknown
}

/// As in bench-result/1.
public struct Placement: Codable, Sendable, Equatable {
    public var perBackend: [String: Int]
    public var left: Int?
    public var leftOps: [String: Int]?
    public var partitions: Int?
    public var source: String?

    public init(perBackend: [String: Int], left: Int? = nil, source: String) {
        (self.perBackend, self.left, self.source) = (perBackend, left, source)
    }
}

extension Model {
    public var compileCache: CompileCache? { nil }

    public func prepare(_ inputs: [Tensor]) async throws {}

    public func placement() async throws -> Placement? { nil }

    /// One call.
    public func run(_ inputs: [Tensor]) async throws -> [Tensor] {
        try feed(inputs)
        try await invoke()
        return try fetch()
    }
}

/// A file that does not have what is asked of it.
public struct WrongFile: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// For each of `wanted` its index in `found`: by name if all are there, else by position. `what`: inputs or outputs.
public func positions(_ wanted: [String], _ found: [String], _ what: String) throws -> [Int] {
    if wanted.isEmpty { return Array(found.indices) }
    let named = wanted.compactMap(found.firstIndex)
    if named.count == wanted.count { return named }
    guard wanted.count == found.count else {
        throw WrongFile(
            "the file has the \(what) \(found.joined(separator: ", ")); asked for: \(wanted.joined(separator: ", "))")
    }
    return Array(found.indices)
}
