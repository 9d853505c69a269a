// Sound as a model's input, as the contract of its bundle says.

/// Of one frame of one channel, in float64: × scale, less its mean (centre), divided by its deviation (level).
public struct AudioInput: Sendable {
    public let sampleRateHz: Int
    /// Samples of one input.
    public let frame: Int
    let scale: Double
    let centre, level: Bool

    public init(sampleRateHz: Int, frame: Int, scale: Double = 1, centre: Bool = false, level: Bool = false) {
        (self.sampleRateHz, self.frame) = (sampleRateHz, frame)
        (self.scale, self.centre, self.level) = (scale, centre, level)
    }

    /// Samples between -1 and 1 → as many numbers; `ContractError` for another count than `frame`.
    public func apply(_ samples: [Float]) throws -> [Float] {
        guard samples.count == frame else { throw ContractError("\(samples.count) samples, not \(frame)") }
        var values = samples.map { Double($0) * scale }
        if centre {
            let mean = values.reduce(0, +) / Double(frame)
            values = values.map { $0 - mean }
        }
        if level {
            let mean = values.reduce(0, +) / Double(frame)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(frame)
            let deviation = max(variance.squareRoot(), 1e-10)
            values = values.map { $0 / deviation }
        }
        return values.map { Float($0) }
    }
}

/// As a manifest has it; a key that is absent has its default.
extension AudioInput: Decodable {
    private enum Key: String, CodingKey {
        case frame, scale, centre, level
        case sampleRateHz = "sample_rate_hz"
    }

    public init(from decoder: any Decoder) throws {
        let about = try decoder.container(keyedBy: Key.self)
        self.init(
            sampleRateHz: try about.decode(Int.self, forKey: .sampleRateHz),
            frame: try about.decode(Int.self, forKey: .frame),
            scale: try about.decodeIfPresent(Double.self, forKey: .scale) ?? 1,
            centre: try about.decodeIfPresent(Bool.self, forKey: .centre) ?? false,
            level: try about.decodeIfPresent(Bool.self, forKey: .level) ?? false)
    }
}
