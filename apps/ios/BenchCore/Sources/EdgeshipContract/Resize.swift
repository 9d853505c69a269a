// Resizing as Pillow 13 does it, byte for byte: one axis after the other, in whole numbers.
//
// Source: docs/codegen.md, which says it of Pillow's Resample.c and Geometry.c.

import Foundation

/// How far each reaches at scale 1, and its weight at a distance; nearest has none.
public enum Filter: String, Codable, Sendable {
    case nearest, box, bilinear, hamming, bicubic, lanczos

    fileprivate var support: Double {
        switch self {
        case .nearest: 0
        case .box: 0.5
        case .bilinear, .hamming: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    fileprivate func weight(_ distance: Double) -> Double {
        let x = abs(distance)
        switch self {
        case .nearest: return 0
        case .box: return distance > -0.5 && distance <= 0.5 ? 1 : 0
        case .bilinear: return x < 1 ? 1 - x : 0
        case .hamming:
            if x == 0 { return 1 }
            if x >= 1 { return 0 }
            return sin(x * .pi) / (x * .pi) * (Double(Float(0.54)) + Double(Float(0.46)) * cos(x * .pi))
        case .bicubic:
            let a = -0.5
            if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
        case .lanczos: return distance >= -3 && distance < 3 ? sinc(distance) * sinc(distance / 3) : 0
        }
    }
}

private func sinc(_ x: Double) -> Double {
    x == 0 ? 1 : sin(x * .pi) / (x * .pi)
}

/// Of a weight: 8 bits for a pixel, 2 for sums of weights above 1.
private let precisionBits = 32 - 8 - 2

/// Pixels in another size.
func resized(_ pixels: Pixels, height: Int, width: Int, _ filter: Filter) -> Pixels {
    if (pixels.height, pixels.width) == (height, width) { return pixels }
    if filter == .nearest { return nearest(pixels, height: height, width: width) }
    let isColumnsFirst = pixels.height - height > max(0, 2 * (pixels.width - width))
    let first = isColumnsFirst ? alongColumns(pixels, height, filter) : alongRows(pixels, width, filter)
    return isColumnsFirst ? alongRows(first, width, filter) : alongColumns(first, height, filter)
}

/// Places are summed up, as Pillow does, with its rounding.
private func nearest(_ pixels: Pixels, height: Int, width: Int) -> Pixels {
    func places(_ size: Int, _ wanted: Int) -> [Int] {
        let step = Double(size) / Double(wanted)
        var place = step * 0.5
        return (0..<wanted).map { _ in
            defer { place += step }
            return Int(place)
        }
    }
    var found = Pixels(height: height, width: width, channels: pixels.channels)
    let columns = places(pixels.width, width)
    var at = 0
    for row in places(pixels.height, height) {
        for column in columns {
            for channel in 0..<pixels.channels {
                found.bytes[at] = pixels.bytes[(row * pixels.width + column) * pixels.channels + channel]
                at += 1
            }
        }
    }
    return found
}

/// Whole 2^-22ths of the pixels from `first` on, whose sum is 1.
private struct Weights {
    let first: Int
    let shares: [Int]

    static func along(_ size: Int, _ wanted: Int, _ filter: Filter) -> [Weights] {
        let scale = Double(size) / Double(wanted)
        let stretch = max(scale, 1)
        let (reach, inverse) = (filter.support * stretch, 1 / stretch)
        return (0..<wanted).map { index in
            let centre = (Double(index) + 0.5) * scale
            let first = max(Int(centre - reach + 0.5), 0)
            let last = min(Int(centre + reach + 0.5), size)
            let weights = (first..<max(first, last)).map { filter.weight((Double($0) - centre + 0.5) * inverse) }
            let total = weights.reduce(0, +)
            return Weights(first: first, shares: weights.map { fixed(total == 0 ? $0 : $0 / total) })
        }
    }

    /// Rounded, halves away from zero.
    private static func fixed(_ share: Double) -> Int {
        Int(share * Double(1 << precisionBits) + (share < 0 ? -0.5 : 0.5))
    }
}

/// Each row in another width.
private func alongRows(_ pixels: Pixels, _ width: Int, _ filter: Filter) -> Pixels {
    guard width != pixels.width else { return pixels }
    var found = Pixels(height: pixels.height, width: width, channels: pixels.channels)
    let (channels, all) = (pixels.channels, Weights.along(pixels.width, width, filter))
    pixels.bytes.withUnsafeBufferPointer { bytes in
        found.bytes.withUnsafeMutableBufferPointer { target in
            for row in 0..<pixels.height {
                let begin = row * pixels.width * channels
                for (column, weights) in all.enumerated() {
                    for channel in 0..<channels {
                        let start = begin + weights.first * channels + channel
                        target[(row * width + column) * channels + channel] = sum(
                            bytes, start, channels, weights.shares)
                    }
                }
            }
        }
    }
    return found
}

/// Each column in another height.
private func alongColumns(_ pixels: Pixels, _ height: Int, _ filter: Filter) -> Pixels {
    guard height != pixels.height else { return pixels }
    var found = Pixels(height: height, width: pixels.width, channels: pixels.channels)
    let line = pixels.width * pixels.channels
    pixels.bytes.withUnsafeBufferPointer { bytes in
        found.bytes.withUnsafeMutableBufferPointer { target in
            for (row, weights) in Weights.along(pixels.height, height, filter).enumerated() {
                for place in 0..<line {
                    target[row * line + place] = sum(bytes, weights.first * line + place, line, weights.shares)
                }
            }
        }
    }
    return found
}

/// The weighted sum of bytes that lie `step` apart, rounded to a byte.
private func sum(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int, _ step: Int, _ shares: [Int]) -> UInt8 {
    var (sum, place) = (1 << (precisionBits - 1), start)
    for share in shares {
        sum += share * Int(bytes[place])
        place += step
    }
    return UInt8(min(max(sum >> precisionBits, 0), 255))
}
