// Numbers as every runtime takes them.

/// By the names that manifests and jobs have.
public enum DType: String, Codable, Sendable {
    case float32, float16, bfloat16, float64, int8, uint8, int16, uint16, int32, int64, bool

    /// Of one number, in bytes.
    public var size: Int {
        switch self {
        case .float64, .int64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16, .int16, .uint16: 2
        case .int8, .uint8, .bool: 1
        }
    }
}

/// A tensor that is not what it must be.
public struct WrongTensor: Error, CustomStringConvertible {
    public let description: String
}

/// Little-endian numbers in C order, as all of Apple's machines have them.
public struct Tensor: Sendable, Equatable {
    public let dtype: DType
    public let shape: [Int]
    public let data: [UInt8]

    /// `WrongTensor` where these are not the bytes of such a tensor.
    public init(_ dtype: DType, _ shape: [Int], _ data: [UInt8]) throws {
        guard shape.reduce(dtype.size, *) == data.count else {
            throw WrongTensor(description: "\(data.count) bytes for \(shape) of \(dtype)")
        }
        (self.dtype, self.shape, self.data) = (dtype, shape, data)
    }

    public init(_ values: [Float], _ shape: [Int]) throws {
        try self.init(.float32, shape, values.withUnsafeBytes(Array.init))
    }

    public init(_ values: [Int64], _ shape: [Int]) throws {
        try self.init(.int64, shape, values.withUnsafeBytes(Array.init))
    }

    /// A float32 tensor's numbers; `WrongTensor` for another.
    public func floats() throws -> [Float] {
        guard dtype == .float32 else { throw WrongTensor(description: "the tensor is \(dtype), not float32") }
        return read(Float.self)
    }

    /// Numbers of any dtype.
    public func numbers() -> [Double] {
        switch dtype {
        case .float32: return read(Float.self).map(Double.init)
        case .float64: return read(Double.self)
        case .int8: return read(Int8.self).map(Double.init)
        case .uint8, .bool: return data.map(Double.init)
        case .int16: return read(Int16.self).map(Double.init)
        case .uint16: return read(UInt16.self).map(Double.init)
        case .int32: return read(Int32.self).map(Double.init)
        case .int64: return read(Int64.self).map(Double.init)
        case .float16: return read(UInt16.self).map(half)
        case .bfloat16: return read(UInt16.self).map { Double(Float(bitPattern: UInt32($0) << 16)) }
        }
    }

    /// The same whole numbers as int32; `WrongTensor` for a tensor of others, or of larger ones.
    public func int32s() throws -> Tensor {
        let whole: [DType] = [.int8, .uint8, .int16, .uint16, .int32, .int64, .bool]
        let values = numbers().compactMap { Int32(exactly: $0) }
        guard whole.contains(dtype), values.count * dtype.size == data.count else {
            throw WrongTensor(description: "the tensor is \(dtype), and its numbers are not all int32's")
        }
        return try Tensor(.int32, shape, values.withUnsafeBytes(Array.init))
    }

    private func read<Number>(_ type: Number.Type) -> [Number] {
        data.withUnsafeBytes { bytes in
            (0..<data.count / dtype.size).map { bytes.loadUnaligned(fromByteOffset: $0 * dtype.size, as: type) }
        }
    }
}

/// IEEE 754's binary16: a sign, 5 bits of exponent, 10 of fraction. Swift's own Float16 is not there on Intel's Macs.
private func half(_ bits: UInt16) -> Double {
    let fraction = Double(bits & 0x3FF)
    let size =
        switch Int(bits >> 10 & 0x1F) {
        case 0: fraction * 0x1p-24
        case 0x1F: fraction == 0 ? Double.infinity : .nan
        case let exponent: Double(sign: .plus, exponent: exponent - 25, significand: 1024 + fraction)
        }
    return bits & 0x8000 == 0 ? size : -size
}
