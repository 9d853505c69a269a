// Core ML, a compute unit at a time; what the system compiles for this device is told apart from what is there already.

import BenchCore
import CoreML
import Foundation

/// As jobs call them; the first is what Core ML takes by itself.
private let units: [(name: String, units: MLComputeUnits)] = [
    ("all", .all), ("cpu", .cpuOnly), ("cpu+gpu", .cpuAndGPU), ("cpu+ane", .cpuAndNeuralEngine),
]
private let arrayTypes: [DType: MLMultiArrayDataType] = [
    .float32: .float32, .float64: .double, .int32: .int32, .float16: .float16,
]

/// `cache` keeps compiled models: the first load of one is compiled for the Neural Engine and slow, later ones are not.
struct CoreMLEngine: Engine {
    let runtime = "coreml"
    let cache: URL
    let backends = units.map(\.name)

    /// Of iOS, which brings Core ML.
    var version: String {
        let system = ProcessInfo.processInfo.operatingSystemVersion
        return "\(system.majorVersion).\(system.minorVersion)"
    }

    func open(_ load: Load) async throws -> any Model {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = units.first { $0.name == load.backend }?.units ?? .all
        let place = cache.appendingPathComponent(try digest(load.file)).appendingPathExtension("mlmodelc")
        let isThere = FileManager.default.fileExists(atPath: place.path)
        if !isThere {
            try FileManager.default.createDirectory(at: cache, withIntermediateDirectories: true)
            try FileManager.default.moveItem(at: try await MLModel.compileModel(at: load.file), to: place)
        }
        return CoreMLModel(place, configuration, load, isThere ? .present : .absent)
    }

    /// Forget what was compiled: the next load is a first one.
    func forget() throws {
        if FileManager.default.fileExists(atPath: cache.path) { try FileManager.default.removeItem(at: cache) }
    }

    /// Of an .mlpackage's files: a name for what is compiled of it.
    private func digest(_ package: URL) throws -> String {
        let files = try FileManager.default.subpathsOfDirectory(atPath: package.path).sorted()
        return try contentDigest(files.map { package.appendingPathComponent($0) })
    }
}

private final class CoreMLModel: Model, @unchecked Sendable {
    let compileCache: CompileCache?
    private let place: URL
    private let configuration: MLModelConfiguration
    private let load: Load
    private var model: MLModel?
    private var fed: MLDictionaryFeatureProvider?
    private var answer: (any MLFeatureProvider)?

    init(_ place: URL, _ configuration: MLModelConfiguration, _ load: Load, _ cache: CompileCache) {
        (self.place, self.configuration, self.load, compileCache) = (place, configuration, load, cache)
    }

    /// Loading is what compiles for the device, the first time.
    func prepare(_ inputs: [Tensor]) async throws {
        model = try await MLModel.load(contentsOf: place, configuration: configuration)
    }

    func feed(_ inputs: [Tensor]) throws {
        var values: [String: Any] = [:]
        for (name, tensor) in zip(load.inputs, inputs) { values[name] = try array(tensor) }
        fed = try MLDictionaryFeatureProvider(dictionary: values)
    }

    /// Without `prepare` a sample is fed to a model that is not loaded: it is loaded first.
    func invoke() async throws {
        guard let fed else { throw WrongFile("nothing was fed") }
        if model == nil { try await prepare([]) }
        answer = try model?.prediction(from: fed)
    }

    func fetch() throws -> [Tensor] {
        try load.outputs.map { name in
            guard let array = answer?.featureValue(for: name)?.multiArrayValue else {
                throw WrongFile("no output \(name)")
            }
            return try tensor(array, name)
        }
    }

    /// What the plan of iOS 17.4 prefers for each operator; constants take no unit.
    func placement() async throws -> Placement? {
        guard #available(iOS 17.4, *) else { return nil }
        let plan = try await MLComputePlan.load(contentsOf: place, configuration: configuration)
        guard case .program(let program) = plan.modelStructure, let main = program.functions["main"] else { return nil }
        var perBackend: [String: Int] = [:]
        for operation in main.block.operations {
            guard let usage = plan.deviceUsage(for: operation) else { continue }
            perBackend[name(usage.preferred), default: 0] += 1
        }
        return Placement(perBackend: perBackend, source: "plan")
    }

    @available(iOS 17.0, *)
    private func name(_ device: MLComputeDevice) -> String {
        switch device {
        case .cpu: "cpu"
        case .gpu: "gpu"
        case .neuralEngine: "ane"
        @unknown default: "unknown"
        }
    }

    /// Whole numbers of whatever size are int32 in Core ML's files: a picture's bytes, a text's ids.
    private func array(_ given: Tensor) throws -> MLMultiArray {
        let tensor = arrayTypes[given.dtype] == nil ? try given.int32s() : given
        guard let type = arrayTypes[tensor.dtype] else { throw WrongFile("Core ML takes no \(tensor.dtype)") }
        let array = try MLMultiArray(shape: tensor.shape.map { NSNumber(value: $0) }, dataType: type)
        array.withUnsafeMutableBytes { bytes, _ in bytes.copyBytes(from: tensor.data) }
        return array
    }

    /// Outputs may lie in memory with gaps: numbers are taken by their strides.
    private func tensor(_ array: MLMultiArray, _ name: String) throws -> Tensor {
        guard let dtype = arrayTypes.first(where: { $0.value == array.dataType })?.key else {
            throw WrongFile("output \(name) is of a type that is not known")
        }
        let (shape, strides) = (array.shape.map(\.intValue), array.strides.map(\.intValue))
        var data: [UInt8] = []
        array.withUnsafeBytes { bytes in
            var index = shape.map { _ in 0 }
            for _ in 0..<shape.reduce(1, *) {
                let offset = zip(index, strides).reduce(0) { $0 + $1.0 * $1.1 } * dtype.size
                data += bytes[offset..<offset + dtype.size]
                for axis in shape.indices.reversed() {
                    index[axis] += 1
                    if index[axis] < shape[axis] { break }
                    index[axis] = 0
                }
            }
        }
        return try Tensor(dtype, shape, data)
    }
}
