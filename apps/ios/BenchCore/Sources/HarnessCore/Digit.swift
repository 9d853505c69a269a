// A drawing as the digits of UCI's data set are made: 32 × 32 points of ink, counted in blocks of 4 × 4, and enlarged.

import BenchCore
import EdgeshipContract

public let inkSide = 32
private let block = 4
private let blocks = inkSide / block

/// `ink`: 32 rows of 32 points → bright ink on dark ground, as examples/digits/data.py enlarges 8 × 8 counts.
public func digit(_ ink: [Bool]) throws -> Picture {
    guard ink.count == inkSide * inkSide else { throw Malformed("\(ink.count) points") }
    var counts = [Double](repeating: 0, count: blocks * blocks)
    for at in ink.indices where ink[at] {
        counts[at / inkSide / block * blocks + at % inkSide / block] += 1 / Double(block * block)
    }
    let rgba = ink.indices.flatMap { at in
        let (row, column) = (place(at / inkSide), place(at % inkSide))
        let value = mixed(row) { y in mixed(column) { x in counts[y * blocks + x] } }
        return [UInt8](repeating: UInt8((255 * value).rounded()), count: 4)
    }
    return try Picture(rgba: rgba, width: inkSide, height: inkSide)
}

/// Where a point lies among the counts, whose places are the middles of their blocks.
private func place(_ point: Int) -> Double {
    min(max((Double(point) + 0.5) / Double(block) - 0.5, 0), Double(blocks - 1))
}

/// Between the two nearest.
private func mixed(_ place: Double, _ value: (Int) -> Double) -> Double {
    let first = Int(place)
    let share = place - Double(first)
    return value(first) * (1 - share) + value(min(first + 1, blocks - 1)) * share
}
