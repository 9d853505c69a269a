// JSON as every reader of bundles takes it: UTF-8, one object, no NaN, nothing very deep and no very long numbers.
//
// Foundation's own parser does not tell 5 from 5.0, and refuses a tab within a text; the other readers do neither.

/// The largest number that JSON readers of every language keep.
public let mostNumber = (1 << 53) - 1
private let deepest = 64
private let longestNumber = 64
/// Deeper documents are not even read: each level takes some of the stack.
private let deepestRead = 500

/// The object that these bytes hold; `Malformed` where they hold none.
public func parse(_ data: [UInt8]) throws -> Object {
    guard String(decoding: data, as: UTF8.self).utf8.elementsEqual(data) else { throw Malformed("not UTF-8") }
    var parser = Parser(bytes: data)
    let value = try parser.value(deepestRead)
    parser.skipSpace()
    guard parser.atEnd else { throw Malformed("more than one value") }
    guard case .object(let object) = value else { throw Malformed("not an object") }
    guard value.depth <= deepest else { throw Malformed("too deep") }
    return object
}

private struct Parser {
    let bytes: [UInt8]
    var at = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    var atEnd: Bool { at == bytes.count }

    private var next: UInt8? { atEnd ? nil : bytes[at] }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { at += 1 }
    }

    /// Whether this letter is next; it is taken then.
    private mutating func took(_ letter: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: letter) else { return false }
        at += 1
        return true
    }

    private mutating func take(_ letter: Unicode.Scalar) throws {
        guard took(letter) else { throw Malformed("not JSON at byte \(at)") }
    }

    mutating func value(_ left: Int) throws -> JSON {
        guard left > 0 else { throw Malformed("too deep") }
        skipSpace()
        if took("{") { return .object(try members(left)) }
        if took("[") { return .array(try elements(left)) }
        if took("\"") { return .text(try text()) }
        for (word, value) in [("true", JSON.bool(true)), ("false", .bool(false)), ("null", .null)]
        where bytes[at...].starts(with: word.utf8) {
            at += word.utf8.count
            return value
        }
        return .number(try number())
    }

    /// Of two members with one key the last counts.
    private mutating func members(_ left: Int) throws -> Object {
        var found = Object()
        skipSpace()
        if took("}") { return found }
        repeat {
            skipSpace()
            try take("\"")
            let key = try text()
            skipSpace()
            try take(":")
            found[key] = try value(left - 1)
            skipSpace()
        } while took(",")
        try take("}")
        return found
    }

    private mutating func elements(_ left: Int) throws -> [JSON] {
        var found: [JSON] = []
        skipSpace()
        if took("]") { return found }
        repeat {
            found.append(try value(left - 1))
            skipSpace()
        } while took(",")
        try take("]")
        return found
    }

    private mutating func number() throws -> ExactText {
        let start = at
        _ = took("-")
        if !took("0") { try digits() }
        if took(".") { try digits() }
        if took("e") || took("E") {
            if !took("-") { _ = took("+") }
            try digits()
        }
        guard at - start <= longestNumber else { throw Malformed("too long a number") }
        return ExactText(utf8: Array(bytes[start..<at]))
    }

    private mutating func digits() throws {
        let start = at
        while let byte = next, isDigit(byte) { at += 1 }
        guard at > start else { throw Malformed("not JSON at byte \(at)") }
    }

    /// What follows the quote; control characters may stand within it.
    private mutating func text() throws -> ExactText {
        var found: [UInt8] = []
        while let byte = next {
            at += 1
            switch byte {
            case UInt8(ascii: "\""): return ExactText(utf8: found)
            case UInt8(ascii: "\\"): found += try escaped()
            default: found.append(byte)
            }
        }
        throw Malformed("a text without an end")
    }

    private mutating func escaped() throws -> [UInt8] {
        let letters: [(Unicode.Scalar, UInt8)] = [
            ("\"", 0x22), ("\\", 0x5C), ("/", 0x2F), ("b", 0x08), ("f", 0x0C), ("n", 0x0A), ("r", 0x0D), ("t", 0x09),
        ]
        for (letter, byte) in letters where took(letter) { return [byte] }
        try take("u")
        var code = try fourDigits()
        if (0xD800..<0xDC00).contains(code), bytes[at...].starts(with: "\\u".utf8) {
            let before = at
            at += 2
            let low = try fourDigits()
            if (0xDC00..<0xE000).contains(low) {
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            } else {
                at = before
            }
        }
        return utf8(code)
    }

    private mutating func fourDigits() throws -> UInt32 {
        let digits = bytes[at...].prefix(4)
        let areDigits = digits.allSatisfy { isHexadecimal($0) || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains($0) }
        guard digits.count == 4, areDigits, let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16) else {
            throw Malformed("not JSON at byte \(at)")
        }
        at += 4
        return code
    }
}

/// A code point's bytes; halves of characters have some, too.
private func utf8(_ code: UInt32) -> [UInt8] {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (code >> shift) & 0x3F) }
    return switch code {
    case ..<0x80: [UInt8(code)]
    case ..<0x800: [UInt8(0xC0 | code >> 6), tail(0)]
    case ..<0x10000: [UInt8(0xE0 | code >> 12), tail(6), tail(0)]
    default: [UInt8(0xF0 | code >> 18), tail(12), tail(6), tail(0)]
    }
}
