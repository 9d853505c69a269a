// ONNX Runtime by its C API, on Linux: what apps/ios/Engines/OnnxRuntime does by its Objective-C API.

import BenchCore
import COnnxRuntime
import Foundation

private let types: [DType: Int32] = [
    .float32: 1, .uint8: 2, .int8: 3, .uint16: 4, .int16: 5, .int32: 6, .int64: 7, .bool: 9, .float16: 10, .float64: 11,
    .bfloat16: 16,
]
private let apiVersion: UInt32 = 21

struct OrtError: Error, CustomStringConvertible {
    let description: String
}

/// The library's table of functions, and one environment for the process.
final class OnnxEngine: Engine, @unchecked Sendable {
    let runtime = "onnxruntime"
    let version: String
    let backends = ["cpu"]
    fileprivate let api: OrtTable
    private var environment: OpaquePointer?

    init(library: URL) throws {
        guard let handle = dlopen(library.path, RTLD_NOW | RTLD_LOCAL), let symbol = dlsym(handle, "OrtGetApiBase")
        else {
            throw OrtError(description: String(cString: dlerror()))
        }
        let base = unsafeBitCast(symbol, to: OrtEntrance.self)()
        guard let base, let table = base.pointee.GetApi(apiVersion) else { throw OrtError(description: "no API") }
        api = table
        version = base.pointee.GetVersionString().map { String(cString: $0) } ?? "unknown"
        try check(ort_create_env(api, "edgeship", &environment))
    }

    func open(_ load: Load) throws -> any Model {
        var (options, session): (OpaquePointer?, OpaquePointer?)
        try check(ort_create_options(api, &options))
        defer { ort_release_options(api, options) }
        try check(ort_set_threads(api, options, Int32(load.threads)))
        for (key, value) in load.options["config"]?.object ?? [:] {
            try check(ort_set_entry(api, options, key.description, value.text?.description))
        }
        try check(ort_create_session(api, environment, load.file.path, options, &session))
        return try OnnxModel(self, session, load)
    }

    fileprivate func check(_ status: OpaquePointer?) throws {
        guard let status else { return }
        defer { ort_release_status(api, status) }
        throw OrtError(description: String(cString: ort_message(api, status)))
    }
}

private final class OnnxModel: Model, @unchecked Sendable {
    private let engine: OnnxEngine
    private let session: OpaquePointer?
    private let inputs, outputs: [UnsafePointer<CChar>?]
    private var memory: OpaquePointer?
    private var fed: [(value: OpaquePointer?, data: UnsafeMutableRawBufferPointer)] = []
    private var answers: [OpaquePointer?] = []

    init(_ engine: OnnxEngine, _ session: OpaquePointer?, _ load: Load) throws {
        (self.engine, self.session) = (engine, session)
        let found = try names(engine, session, ort_input_count, ort_input_name)
        let given = try names(engine, session, ort_output_count, ort_output_name)
        inputs = try positions(load.inputs, found.map { String(cString: $0) }, "inputs").map { found[$0] }
        outputs = try positions(load.outputs, given.map { String(cString: $0) }, "outputs").map { given[$0] }
        try engine.check(ort_create_memory(engine.api, &memory))
    }

    deinit {
        release()
        ort_release_session(engine.api, session)
    }

    func feed(_ tensors: [Tensor]) throws {
        release()
        for tensor in tensors {
            let data = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, tensor.data.count), alignment: 64)
            data.copyBytes(from: tensor.data)
            var value: OpaquePointer?
            let shape = tensor.shape.map(Int64.init)
            let made = ort_tensor_of(
                engine.api, memory, data.baseAddress, tensor.data.count, shape, shape.count, types[tensor.dtype] ?? 0,
                &value)
            fed.append((value, data))
            try engine.check(made)
        }
    }

    func invoke() throws {
        for answer in answers { ort_release_value(engine.api, answer) }
        answers = Array(repeating: nil, count: outputs.count)
        let values = fed.map(\.value)
        try engine.check(
            ort_run(engine.api, session, inputs, values, values.count, outputs, outputs.count, &answers))
    }

    func fetch() throws -> [Tensor] {
        try answers.map { answer in
            var (shape, data): (OpaquePointer?, UnsafeMutableRawPointer?)
            var (type, rank): (Int32, Int) = (0, 0)
            try engine.check(ort_shape(engine.api, answer, &shape))
            defer { ort_release_shape(engine.api, shape) }
            try engine.check(ort_type(engine.api, shape, &type))
            try engine.check(ort_rank(engine.api, shape, &rank))
            var sizes = [Int64](repeating: 0, count: rank)
            try engine.check(ort_dimensions(engine.api, shape, &sizes, rank))
            try engine.check(ort_data(engine.api, answer, &data))
            guard let dtype = types.first(where: { $0.value == type })?.key else {
                throw OrtError(description: "element type \(type)")
            }
            let count = sizes.reduce(dtype.size) { $0 * Int($1) }
            return try Tensor(dtype, sizes.map(Int.init), Array(UnsafeRawBufferPointer(start: data, count: count)))
        }
    }

    private func release() {
        for one in fed {
            ort_release_value(engine.api, one.value)
            one.data.deallocate()
        }
        for answer in answers { ort_release_value(engine.api, answer) }
        (fed, answers) = ([], [])
    }
}

private typealias Count = (OrtTable, OpaquePointer?, UnsafeMutablePointer<Int>?) -> OpaquePointer?
private typealias Name = (
    OrtTable, OpaquePointer?, Int, OpaquePointer?, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> OpaquePointer?

/// The names of a session's inputs or outputs; they live as long as the process.
private func names(_ engine: OnnxEngine, _ session: OpaquePointer?, _ count: Count, _ name: Name) throws
    -> [UnsafePointer<CChar>]
{
    var (allocator, number): (OpaquePointer?, Int) = (nil, 0)
    try engine.check(ort_allocator(engine.api, &allocator))
    try engine.check(count(engine.api, session, &number))
    return try (0..<number).map { index in
        var found: UnsafeMutablePointer<CChar>?
        try engine.check(name(engine.api, session, index, allocator, &found))
        guard let found else { throw OrtError(description: "a name that is none") }
        return UnsafePointer(found)
    }
}
