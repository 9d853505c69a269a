// A text as other languages compare it: by what is written.

/// UTF-8 bytes. Swift's `String` takes é and e with an accent for one text, and / with an accent for no /.
///
/// JSON can hold half a character (`\ud800`); its bytes are kept, too, as UTF-8 would have them.
public struct ExactText: Hashable, Comparable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    public let utf8: [UInt8]

    public init(utf8: [UInt8]) {
        self.utf8 = utf8
    }

    public init(_ string: some StringProtocol) {
        utf8 = Array(string.utf8)
    }

    public init(stringLiteral string: String) {
        self.init(string)
    }

    public var description: String {
        String(decoding: utf8, as: UTF8.self)
    }

    /// As code points sort.
    public static func < (one: ExactText, other: ExactText) -> Bool {
        one.utf8.lexicographicallyPrecedes(other.utf8)
    }

    public static func + (one: ExactText, other: ExactText) -> ExactText {
        ExactText(utf8: one.utf8 + other.utf8)
    }

    func hasPrefix(_ prefix: ExactText) -> Bool {
        utf8.starts(with: prefix.utf8)
    }

    /// What follows a prefix; nil where the text does not begin with it.
    func after(_ prefix: ExactText) -> ExactText? {
        hasPrefix(prefix) ? ExactText(utf8: Array(utf8.dropFirst(prefix.utf8.count))) : nil
    }

    /// Whether it has this length and these bytes alone; any length where none is given.
    func consists(length: ClosedRange<Int> = 0...Int.max, of wanted: (UInt8) -> Bool) -> Bool {
        length.contains(utf8.count) && utf8.allSatisfy(wanted)
    }
}

/// ASCII's own digits, none of another script.
func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
}

/// Digits and a to f.
func isHexadecimal(_ byte: UInt8) -> Bool {
    isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
}

/// Bytes as two letters each.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> ExactText {
    let letters = Array("0123456789abcdef".utf8)
    return ExactText(utf8: bytes.flatMap { [letters[Int($0 >> 4)], letters[Int($0 & 15)]] })
}
