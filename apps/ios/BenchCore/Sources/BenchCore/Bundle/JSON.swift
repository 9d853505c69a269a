// Values of a JSON document, asked for by their types.

/// A document that is not what it must be; `place` is what in it is meant.
public struct Malformed: Error {
    public let place: String

    public init(_ place: some CustomStringConvertible) {
        self.place = place.description
    }
}

public typealias Object = [ExactText: JSON]

public enum JSON: Equatable, Sendable {
    case object(Object)
    case array([JSON])
    case text(ExactText)
    /// As it is written: 5 is a whole number and 5.0 is none.
    case number(ExactText)
    case bool(Bool)
    case null

    /// A whole number, written as one, that this machine can keep.
    public var whole: Int? {
        guard case .number(let text) = self else { return nil }
        return Int(text.description)
    }

    public var double: Double? {
        guard case .number(let text) = self else { return nil }
        return Double(text.description)
    }

    public var text: ExactText? {
        guard case .text(let text) = self else { return nil }
        return text
    }

    public var object: Object? {
        guard case .object(let object) = self else { return nil }
        return object
    }

    /// How many objects and lists stand within each other.
    var depth: Int {
        switch self {
        case .object(let members): 1 + (members.values.map(\.depth).max() ?? 0)
        case .array(let elements): 1 + (elements.map(\.depth).max() ?? 0)
        default: 0
        }
    }
}

/// Each throws `Malformed` where the key is missing or its value is of another type.
extension Object {
    public func member(_ key: ExactText) throws -> Object {
        try found(self[key]?.object, key)
    }

    public func list(_ key: ExactText) throws -> [JSON] {
        guard case .array(let elements) = self[key] else { throw Malformed(key) }
        return elements
    }

    public func members(_ key: ExactText) throws -> [Object] {
        try list(key).map { try found($0.object, key) }
    }

    public func texts(_ key: ExactText) throws -> [ExactText] {
        try list(key).map { try found($0.text, key) }
    }

    public func wholes(_ key: ExactText) throws -> [Int] {
        try list(key).map { try found($0.whole, key) }
    }

    public func text(_ key: ExactText) throws -> ExactText {
        try found(self[key]?.text, key)
    }

    public func whole(_ key: ExactText) throws -> Int {
        try found(self[key]?.whole, key)
    }

    public func double(_ key: ExactText) throws -> Double {
        try found(self[key]?.double, key)
    }
}

private func found<Found>(_ value: Found?, _ key: ExactText) throws -> Found {
    guard let value else { throw Malformed(key) }
    return value
}
