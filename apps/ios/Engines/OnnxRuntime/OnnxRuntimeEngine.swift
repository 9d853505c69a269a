// ONNX Runtime, by the Objective-C API of its Swift package.

import BenchCore
import Foundation
import OnnxRuntimeBindings

private let types: [DType: ORTTensorElementDataType] = [
    .float32: .float, .int8: .int8, .uint8: .uInt8, .int32: .int32, .int64: .int64,
]

/// The package does not give names the order that they have in the file: tensors are found by the names of the load.
final class OnnxRuntimeEngine: Engine, @unchecked Sendable {
    let runtime = "onnxruntime"
    let version = ORTVersion() ?? "unknown"
    let backends = ["cpu", "coreml"]
    private let environment: ORTEnv

    init() throws {
        environment = try ORTEnv(loggingLevel: .warning)
    }

    /// The options of an artifact are `config`: entries of the session.
    func open(_ load: Load) throws -> any Model {
        let options = try ORTSessionOptions()
        try options.setIntraOpNumThreads(Int32(load.threads))
        try options.setGraphOptimizationLevel(.all)
        for (key, value) in load.options["config"]?.object ?? [:] {
            try options.addConfigEntry(withKey: key.description, value: value.text?.description ?? "")
        }
        if load.backend == "coreml" {
            try options.appendCoreMLExecutionProvider(with: ORTCoreMLExecutionProviderOptions())
        }
        return OnnxRuntimeModel(
            try ORTSession(env: environment, modelPath: load.file.path, sessionOptions: options), load)
    }
}

private final class OnnxRuntimeModel: Model, @unchecked Sendable {
    private let session: ORTSession
    private let load: Load
    private var fed: [String: ORTValue] = [:]
    private var answers: [String: ORTValue] = [:]

    init(_ session: ORTSession, _ load: Load) {
        (self.session, self.load) = (session, load)
    }

    func feed(_ inputs: [Tensor]) throws {
        fed = [:]
        for (name, tensor) in zip(load.inputs, inputs) {
            guard let type = types[tensor.dtype] else { throw WrongFile("the package takes no \(tensor.dtype)") }
            let data = NSMutableData(data: Data(tensor.data))
            let shape = tensor.shape.map { NSNumber(value: $0) }
            fed[name] = try ORTValue(tensorData: data, elementType: type, shape: shape)
        }
    }

    func invoke() throws {
        answers = try session.run(withInputs: fed, outputNames: Set(load.outputs), runOptions: nil)
    }

    func fetch() throws -> [Tensor] {
        try load.outputs.map { name in
            guard let answer = answers[name] else { throw WrongFile("no output \(name)") }
            let about = try answer.tensorTypeAndShapeInfo()
            guard let dtype = types.first(where: { $0.value == about.elementType })?.key else {
                throw WrongFile("output \(name) is of a type that the package does not tell")
            }
            return try Tensor(dtype, about.shape.map(\.intValue), Array(try answer.tensorData() as Data))
        }
    }
}
