// The table of characters that a bundle brings: what becomes of each one before a text is parted into words.
//
// Characters are code points: no table of Swift's or of the system's takes part, so every phone gives the same ids.

typealias Code = UInt32

/// A text's code points.
func codes(_ text: String) -> [Code] {
    text.unicodeScalars.map(\.value)
}

struct Characters: Sendable {
    private let takesHangulApart: Bool
    private let first, then: Ranges<[Code?]>
    private let order: Ranges<Int>
    private let space, alone: Ranges<Bool>

    /// `ContractError` for what is no such table.
    init(_ table: String) throws {
        var parted: [Substring: [[Substring]]] = [:]
        for line in table.split(separator: "\n") {
            let words = line.split(separator: " ")
            parted[words[0], default: []].append(Array(words.dropFirst()))
        }
        takesHangulApart = parted["hangul"] != nil
        func ranges<Said>(_ word: Substring, _ said: ([Substring]) throws -> Said) throws -> Ranges<Said> {
            try Ranges(parted[word] ?? [], said)
        }
        // nil is the character itself
        let replacement = { (words: [Substring]) in try words.map { $0 == "=" ? nil : try hexadecimal($0) } }
        first = try ranges("first", replacement)
        then = try ranges("then", replacement)
        order = try ranges("order") { words in
            guard let found = words.first.flatMap({ Int($0) }) else { throw ContractError("no class of a mark") }
            return found
        }
        space = try ranges("space") { _ in true }
        alone = try ranges("alone") { _ in true }
    }

    /// A text's words; punctuation is a word of its own.
    func words(_ text: [Code]) -> [[Code]] {
        var (words, word): ([[Code]], [Code]) = ([], [])
        func end() {
            if !word.isEmpty { words.append(word) }
            word = []
        }
        for code in replaced(text) {
            if alone.find(code) != nil {
                end()
                words.append([code])
            } else if space.find(code) != nil {
                end()
            } else {
                word.append(code)
            }
        }
        end()
        return words
    }

    private func replaced(_ text: [Code]) -> [Code] {
        ordered(text.flatMap(decomposed)).flatMap { code in then.find(code)?.map { $0 ?? code } ?? [code] }
    }

    /// Syllables AC00 to D7A3 by Unicode's arithmetic.
    private func decomposed(_ code: Code) -> [Code] {
        guard takesHangulApart, (0xAC00...0xD7A3).contains(code) else {
            return first.find(code)?.map { $0 ?? code } ?? [code]
        }
        let (rest, tail) = (code - 0xAC00).quotientAndRemainder(dividingBy: 28)
        let (lead, vowel) = rest.quotientAndRemainder(dividingBy: 21)
        return [0x1100 + lead, 0x1161 + vowel] + (tail > 0 ? [0x11A7 + tail] : [])
    }

    /// Marks that follow one another by their class; those of one class stay as they are.
    private func ordered(_ codes: [Code]) -> [Code] {
        var found: [Code] = []
        var marks: [(place: Int, order: Int, code: Code)] = []
        func end() {
            found += marks.sorted { ($0.order, $0.place) < ($1.order, $1.place) }.map(\.code)
            marks = []
        }
        for code in codes {
            if let order = order.find(code) {
                marks.append((marks.count, order, code))
            } else {
                end()
                found.append(code)
            }
        }
        end()
        return found
    }
}

/// What is said of characters, by ranges in their order.
private struct Ranges<Said: Sendable>: Sendable {
    private let starts, ends: [Code]
    private let said: [Said]

    /// Lines without their first word.
    init(_ lines: [[Substring]], _ said: ([Substring]) throws -> Said) throws {
        guard lines.allSatisfy({ $0.count >= 2 }) else { throw ContractError("no range of characters") }
        starts = try lines.map { try hexadecimal($0[0]) }
        ends = try lines.map { try hexadecimal($0[1]) }
        self.said = try lines.map { try said(Array($0.dropFirst(2))) }
    }

    /// nil where nothing is said.
    func find(_ code: Code) -> Said? {
        var (low, high) = (0, starts.count)
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] <= code { low = middle + 1 } else { high = middle }
        }
        return low > 0 && code <= ends[low - 1] ? said[low - 1] : nil
    }
}

private func hexadecimal(_ word: Substring) throws -> Code {
    guard let code = Code(word, radix: 16) else { throw ContractError("\(word): no hexadecimal number") }
    return code
}
