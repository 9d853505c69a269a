// A picture as a model's input, as the contract of its bundle says.

public enum Colour: String, Codable, Sendable {
    case rgb, bgr, grey
}

public enum Layout: String, Codable, Sendable {
    case chw, hwc
}

/// In pixels.
public struct Size: Codable, Equatable, Sendable {
    public let height, width: Int

    public init(height: Int, width: Int) {
        (self.height, self.width) = (height, width)
    }

    /// A list of two, as in a manifest.
    public init(from decoder: any Decoder) throws {
        var pair = try decoder.unkeyedContainer()
        (height, width) = (try pair.decode(Int.self), try pair.decode(Int.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var pair = encoder.unkeyedContainer()
        try pair.encode(height)
        try pair.encode(width)
    }
}

/// Numbers in C order, without the batch dimension.
public struct Values: Equatable, Sendable {
    public let values: [Float]
    public let shape: [Int]
}

/// Resize → centre crop → colour order → × scale → (− mean) / std → layout, in float32.
public struct ImageInput: Sendable {
    public enum Resize: Equatable, Sendable {
        /// Pixels of the shorter side: the picture keeps its proportions.
        case shorter(Int)
        case to(Size)
    }

    let resize: Resize?
    let crop: Size?
    let interpolation: Filter
    let colour: Colour
    let scale: Float
    let mean, std: [Float]
    let layout: Layout

    /// `crop` is cut from the centre, black where the picture ends; `mean` and `std` have one number, or one for each
    /// channel.
    public init(
        resize: Resize? = nil, crop: Size? = nil, interpolation: Filter = .bilinear, colour: Colour = .rgb,
        scale: Float = Float(1.0 / 255), mean: [Float] = [0], std: [Float] = [1], layout: Layout = .chw
    ) {
        (self.resize, self.crop, self.interpolation, self.colour) = (resize, crop, interpolation, colour)
        (self.scale, self.mean, self.std, self.layout) = (scale, mean, std, layout)
    }

    /// [channels, height, width] or [height, width, channels]; `ContractError` where mean or std fit no picture.
    public func apply(_ picture: Picture) throws -> Values {
        let pixels = bytes(picture)
        let channels = pixels.channels
        guard [mean.count, std.count].allSatisfy({ $0 == 1 || $0 == channels }) else {
            throw ContractError("\(mean.count) means and \(std.count) deviations for \(channels) channels")
        }
        var values = [Float](repeating: 0, count: pixels.bytes.count)
        let area = pixels.height * pixels.width
        for channel in 0..<channels {
            let (mean, std) = (mean[mean.count == 1 ? 0 : channel], std[std.count == 1 ? 0 : channel])
            for place in 0..<area {
                let value = (Float(pixels.bytes[place * channels + channel]) * scale - mean) / std
                values[layout == .chw ? channel * area + place : place * channels + channel] = value
            }
        }
        let (height, width) = (pixels.height, pixels.width)
        return Values(values: values, shape: layout == .chw ? [channels, height, width] : [height, width, channels])
    }

    /// Of a model that does the arithmetic in its graph.
    public func bytes(_ picture: Picture) -> Pixels {
        var pixels = cropped(sized(picture.pixels(grey: colour == .grey)))
        if colour == .bgr {
            for at in stride(from: 0, to: pixels.bytes.count, by: pixels.channels) { pixels.bytes.swapAt(at, at + 2) }
        }
        return pixels
    }

    private func sized(_ pixels: Pixels) -> Pixels {
        switch resize {
        case nil: return pixels
        case .to(let size): return resized(pixels, height: size.height, width: size.width, interpolation)
        case .shorter(let side):
            let shorter = min(pixels.height, pixels.width)
            let (height, width) = (side * pixels.height / shorter, side * pixels.width / shorter)
            return resized(pixels, height: height, width: width, interpolation)
        }
    }

    private func cropped(_ pixels: Pixels) -> Pixels {
        guard let crop else { return pixels }
        var cut = Pixels(height: crop.height, width: crop.width, channels: pixels.channels)
        let rows = Overlap(pixels.height, crop.height)
        let columns = Overlap(pixels.width, crop.width)
        let bytes = columns.count * pixels.channels
        for row in 0..<rows.count {
            let from = ((rows.inPicture + row) * pixels.width + columns.inPicture) * pixels.channels
            let to = ((rows.inCut + row) * crop.width + columns.inCut) * pixels.channels
            cut.bytes.replaceSubrange(to..<to + bytes, with: pixels.bytes[from..<from + bytes])
        }
        return cut
    }
}

/// Where a centred cut begins in the picture, and the picture in the cut.
private struct Overlap {
    let inPicture, inCut, count: Int

    init(_ size: Int, _ wanted: Int) {
        // a half goes to the even number, as torchvision cuts
        inPicture = size >= wanted ? Int((Double(size - wanted) / 2).rounded(.toNearestOrEven)) : 0
        inCut = size >= wanted ? 0 : (wanted - size) / 2
        count = min(size, wanted)
    }
}

/// As a manifest has it; a key that is absent has its default.
extension ImageInput: Decodable {
    private enum Key: String, CodingKey {
        case resize, crop, interpolation, colour, scale, mean, std, layout
    }

    public init(from decoder: any Decoder) throws {
        let about = try decoder.container(keyedBy: Key.self)
        let plain = ImageInput()
        func numbers(_ key: Key) throws -> [Float]? {
            try about.decodeIfPresent([Double].self, forKey: key)?.map(Float.init)
        }
        self.init(
            resize: try about.decodeIfPresent(Resize.self, forKey: .resize),
            crop: try about.decodeIfPresent(Size.self, forKey: .crop),
            interpolation: try about.decodeIfPresent(Filter.self, forKey: .interpolation) ?? plain.interpolation,
            colour: try about.decodeIfPresent(Colour.self, forKey: .colour) ?? plain.colour,
            scale: try about.decodeIfPresent(Double.self, forKey: .scale).map { Float($0) } ?? plain.scale,
            mean: try numbers(.mean) ?? plain.mean, std: try numbers(.std) ?? plain.std,
            layout: try about.decodeIfPresent(Layout.self, forKey: .layout) ?? plain.layout)
    }
}

extension ImageInput.Resize: Decodable {
    public init(from decoder: any Decoder) throws {
        if let side = try? decoder.singleValueContainer().decode(Int.self) {
            self = .shorter(side)
        } else {
            self = .to(try Size(from: decoder))
        }
    }
}
