// Core AI, from iOS 27 on.

import BenchCore
import CoreAI
import Foundation

private let function = "main"

/// Which units compute is the system's choice; it does not tell which it took.
struct CoreAIEngine: Engine {
    let runtime = "coreai"
    let backends = ["all"]

    /// Of iOS, which brings Core AI.
    var version: String {
        let system = ProcessInfo.processInfo.operatingSystemVersion
        return "\(system.majorVersion).\(system.minorVersion)"
    }

    func open(_ load: Load) async throws -> any Model {
        let model = try await AIModel(contentsOf: load.file)
        guard let main = try model.loadFunction(named: function) else {
            let names = model.functionNames.joined(separator: ", ")
            throw WrongFile("the file has no function \(function); it has \(names)")
        }
        return CoreAIModel(main, load)
    }
}

private final class CoreAIModel: Model, @unchecked Sendable {
    private let function: InferenceFunction
    private let load: Load
    private var fed: [String: NDArray] = [:]
    private var answers: [Tensor] = []

    init(_ function: InferenceFunction, _ load: Load) {
        (self.function, self.load) = (function, load)
    }

    func feed(_ inputs: [Tensor]) throws {
        for (name, tensor) in zip(load.inputs, inputs) { fed[name] = try array(tensor) }
    }

    /// What it answers may be taken once only: it is copied here, which a measurement counts in.
    func invoke() async throws {
        var outputs = try await function.run(inputs: fed)
        answers = try load.outputs.map { name in
            guard let array = outputs.remove(name)?.ndArray else { throw WrongFile("no output \(name)") }
            return try tensor(array, name)
        }
    }

    func fetch() throws -> [Tensor] {
        answers
    }

    private func array(_ tensor: Tensor) throws -> NDArray {
        switch tensor.dtype {
        case .float32: NDArray(scalars: try tensor.floats(), shape: tensor.shape)
        case .uint8: NDArray(scalars: tensor.data, shape: tensor.shape)
        // edgeship's files have int32 where the model, and so a generated wrapper, has int64
        case .int32, .int64: NDArray(scalars: try tensor.int32s().numbers().map { Int32($0) }, shape: tensor.shape)
        default: throw WrongFile("\(tensor.dtype) is not fed to Core AI here")
        }
    }

    private func tensor(_ array: NDArray, _ name: String) throws -> Tensor {
        guard array.scalarType == .float32 else { throw WrongFile("output \(name) is not float32") }
        var (values, sizes): ([Float], [Int]) = ([], [])
        array.view(as: Float.self).withUnsafePointer { pointer, shape, strides in
            sizes = (0..<shape.count).map { shape[$0] }
            let steps = (0..<strides.count).map { strides[$0] }
            var index = sizes.map { _ in 0 }
            for _ in 0..<sizes.reduce(1, *) {
                values.append(pointer[zip(index, steps).reduce(0) { $0 + $1.0 * $1.1 }])
                for axis in sizes.indices.reversed() {
                    index[axis] += 1
                    if index[axis] < sizes[axis] { break }
                    index[axis] = 0
                }
            }
        }
        return try Tensor(values, sizes)
    }
}
