// A picture as apps have it: RGBA bytes, and how the camera was held.

/// What was given is no picture, no text, or no contract that this library knows.
public struct ContractError: Error, CustomStringConvertible, Equatable {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Rows of RGBA bytes, not premultiplied; alpha is not looked at.
public struct Picture: Sendable {
    let rgba: [UInt8]
    let width, height, strideBytes, orientation: Int

    /// Rows lie `strideBytes` apart, 4 × width where it is left out; `orientation` as EXIF has it: 1 upright, 3 upside
    /// down, 6 turn it right, 8 turn it left, 2, 4, 5 and 7 mirrored. `ContractError` for what is no picture.
    public init(rgba: [UInt8], width: Int, height: Int, strideBytes: Int? = nil, orientation: Int = 1) throws {
        let stride = strideBytes ?? 4 * width
        guard width >= 1, height >= 1, (1...8).contains(orientation) else {
            throw ContractError("no picture: \(width) × \(height), orientation \(orientation)")
        }
        guard stride >= 4 * width, rgba.count >= stride * (height - 1) + 4 * width else {
            throw ContractError("\(rgba.count) bytes in rows of \(stride) are not \(width) × \(height)")
        }
        (self.rgba, self.width, self.height) = (rgba, width, height)
        (self.strideBytes, self.orientation) = (stride, orientation)
    }

    /// Upright pixels of red, green and blue, or of grey.
    func pixels(grey: Bool) -> Pixels {
        let isTurned = orientation >= 5
        var found = Pixels(height: isTurned ? width : height, width: isTurned ? height : width, channels: grey ? 1 : 3)
        var at = 0
        for row in 0..<found.height {
            let y = [3, 4, 7, 8].contains(orientation) ? found.height - 1 - row : row
            for column in 0..<found.width {
                let x = [2, 3, 6, 7].contains(orientation) ? found.width - 1 - column : column
                let place = isTurned ? x * strideBytes + 4 * y : y * strideBytes + 4 * x
                if grey {
                    found.bytes[at] = greyOf(rgba[place], rgba[place + 1], rgba[place + 2])
                } else {
                    for channel in 0..<3 { found.bytes[at + channel] = rgba[place + channel] }
                }
                at += found.channels
            }
        }
        return found
    }
}

/// Bytes [height, width, channels], without the batch dimension.
public struct Pixels: Equatable, Sendable {
    public let height, width, channels: Int
    public internal(set) var bytes: [UInt8]

    public var shape: [Int] { [height, width, channels] }

    /// Black ones.
    init(height: Int, width: Int, channels: Int) {
        (self.height, self.width, self.channels) = (height, width, channels)
        bytes = Array(repeating: 0, count: height * width * channels)
    }
}

/// Pillow's weights of a grey value (ITU-R BT.601) in 65536ths.
private func greyOf(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    UInt8((19595 * Int(red) + 38470 * Int(green) + 7471 * Int(blue) + 0x8000) >> 16)
}
