// ExecuTorch, by the Swift API of its package: an experimental one, as its makers say.

import BenchCore
import ExecuTorch
import Foundation

private let method = "forward"
private let types: [DType: DataType] = [
    .float32: .float, .float64: .double, .int8: .char, .uint8: .byte, .int16: .short, .int32: .int, .int64: .long,
    .bool: .bool, .float16: .half, .bfloat16: .bFloat16,
]

/// Which backend computes is in the file. The package does not tell its version: it is the one that the app is built
/// with. It tells no names either: tensors are taken by position.
struct ExecuTorchEngine: Engine {
    let runtime = "executorch"
    let version: String
    let backends = ["xnnpack", "coreml", "cpu"]

    func open(_ load: Load) throws -> any Model {
        let module = Module(filePath: load.file.path, loadMode: .mmap)
        try module.load()
        return ExecuTorchModel(module, load)
    }
}

private final class ExecuTorchModel: Model, @unchecked Sendable {
    private let module: Module
    private let load: Load
    private var fed: [Value] = []
    private var answers: [Value] = []

    init(_ module: Module, _ load: Load) {
        (self.module, self.load) = (module, load)
    }

    /// Else it would be loaded in the first call.
    func prepare(_ inputs: [BenchCore.Tensor]) throws {
        try module.load(method)
    }

    func feed(_ inputs: [BenchCore.Tensor]) throws {
        fed = try inputs.map { tensor in
            guard let type = types[tensor.dtype] else { throw WrongFile("ExecuTorch takes no \(tensor.dtype)") }
            return Value(AnyTensor(data: Data(tensor.data), shape: tensor.shape, dataType: type))
        }
    }

    func invoke() throws {
        answers = try module.forward(fed)
    }

    func fetch() throws -> [BenchCore.Tensor] {
        guard load.outputs.isEmpty || load.outputs.count == answers.count else {
            let names = load.outputs.joined(separator: ", ")
            throw WrongFile("the file has \(answers.count) outputs; asked for: \(names)")
        }
        return try answers.map { answer in
            guard let tensor = answer.anyTensor, let dtype = types.first(where: { $0.value == tensor.dataType })?.key
            else {
                throw WrongFile("an output is no tensor of a known type")
            }
            var data: [UInt8] = []
            tensor.bytes { pointer, count, _ in
                data = Array(UnsafeRawBufferPointer(start: pointer, count: count * dtype.size))
            }
            return try BenchCore.Tensor(dtype, tensor.shape, data)
        }
    }
}
