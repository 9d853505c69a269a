// What a model's answer means: probabilities, and the best classes.

import Foundation

/// Probabilities of logits, which add up to 1.
public func softmax(_ values: [Float]) -> [Float] {
    let most = Double(values.max() ?? 0)
    let powers = values.map { exp(Double($0) - most) }
    let total = powers.reduce(0, +)
    return powers.map { Float($0 / total) }
}

/// From -1 to 1: how near two vectors' directions are; 0 where one has none.
public func cosine(_ one: [Float], _ other: [Float]) -> Float {
    let (one, other) = (one.map(Double.init), other.map(Double.init))
    func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    let length = (product(one, one) * product(other, other)).squareRoot()
    return length > 0 ? Float(product(one, other) / length) : 0
}

public struct Score: Equatable, Sendable {
    public let label: String
    public let index: Int
    public let score: Float
}

/// The k best, the best first; of equal scores the lower index comes first, and what is no number comes last. A class
/// without a label is called by its number.
public func topK(_ values: [Float], _ k: Int, labels: [String] = []) -> [Score] {
    let best = values.indices.sorted { one, other in
        if values[one] > values[other] { return true }
        if values[one] < values[other] { return false }
        let (isNaN, isOtherNaN) = (values[one].isNaN, values[other].isNaN)
        return isNaN == isOtherNaN ? one < other : isOtherNaN
    }.prefix(k)
    return best.map { Score(label: $0 < labels.count ? labels[$0] : "\($0)", index: $0, score: values[$0]) }
}
