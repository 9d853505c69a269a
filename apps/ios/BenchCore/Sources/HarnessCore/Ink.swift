// Where a finger draws: what it touched is ink, one pen wide.

import Foundation

private let pen = 1.6

/// 32 rows of 32 points.
public struct Ink: Equatable, Sendable {
    public private(set) var points = [Bool](repeating: false, count: inkSide * inkSide)

    public init() {}

    /// Ink between two places, both in points from the upper left corner.
    public mutating func stroke(from one: (x: Double, y: Double), to other: (x: Double, y: Double)) {
        let length = max(1, Int(hypot(other.x - one.x, other.y - one.y).rounded(.up)))
        for step in 0...length {
            let share = Double(step) / Double(length)
            dot(one.x + share * (other.x - one.x), one.y + share * (other.y - one.y))
        }
    }

    private mutating func dot(_ x: Double, _ y: Double) {
        for at in points.indices {
            let (row, column) = (Double(at / inkSide) + 0.5, Double(at % inkSide) + 0.5)
            if hypot(column - x, row - y) <= pen { points[at] = true }
        }
    }
}
