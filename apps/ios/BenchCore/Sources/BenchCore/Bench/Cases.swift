// A job's inputs read, and its outputs written.

import Foundation

/// Inputs of one case in the model's order.
func readCase(_ tensors: [TensorFile], in folder: URL) throws -> [Tensor] {
    try tensors.map { tensor in
        let size = tensor.shape.reduce(tensor.dtype.size, *)
        let file = folder.appendingPathComponent(tensor.path).path
        return try Tensor(tensor.dtype, tensor.shape, Part(path: file, offset: tensor.offset ?? 0, size: size).bytes())
    }
}

/// Outputs of all cases, back to back in one file, which gets its name when it is whole.
final class Capture {
    private let file: URL
    private let partial: URL
    private let handle: FileHandle
    private var offset = 0

    init(_ file: URL) throws {
        self.file = file
        partial = file.appendingPathExtension("part")
        try SystemDisk().write(partial.path) { _ in }
        handle = try FileHandle(forWritingTo: partial)
    }

    func write(_ name: String, _ tensor: Tensor) throws -> OutputTensor {
        try handle.write(contentsOf: tensor.data)
        defer { offset += tensor.data.count }
        return OutputTensor(name: name, dtype: tensor.dtype, shape: tensor.shape, offset: offset)
    }

    /// All of it is there.
    func finish() throws {
        try handle.synchronize()
        try handle.close()
        try SystemDisk().rename(partial.path, to: file.path)
    }
}
