// A BERT tokenizer of plain data: the ids that `transformers` gives for the same texts.

/// `maxLength` numbers each.
public struct Encoded: Equatable, Sendable {
    public let inputIDs, attentionMask, tokenTypeIDs: [Int64]
}

/// As `wordpiece` in a manifest.
public struct WordPieceSettings: Decodable, Sendable {
    public let unknown, start, end, padding, continuation: String
    public let longestWord: Int
    public let special: [String]

    private enum CodingKeys: String, CodingKey {
        case unknown, start, end, padding, continuation, special
        case longestWord = "longest_word"
    }

    public init(
        unknown: String = "[UNK]", start: String = "[CLS]", end: String = "[SEP]", padding: String = "[PAD]",
        continuation: String = "##", longestWord: Int = 100, special: [String] = []
    ) {
        (self.unknown, self.start, self.end, self.padding) = (unknown, start, end, padding)
        (self.continuation, self.longestWord, self.special) = (continuation, longestWord, special)
    }
}

/// Replaces characters, parts words, and cuts each into the longest pieces that the vocabulary has.
public struct WordPiece: Sendable {
    private let characters: Characters
    /// Pieces that begin a word and those that continue one, by their code points.
    private let beginnings, continuations: [ArraySlice<Code>: Int64]
    private let unknown, start, end, padding: Int64
    private let longestWord: Int
    private let special: [[Code]]

    /// The contents of the two files that the contract names, and its `wordpiece`; `ContractError`.
    public init(vocabulary: [UInt8], characters: [UInt8], settings: WordPieceSettings = WordPieceSettings()) throws {
        self.characters = try Characters(String(decoding: characters, as: UTF8.self))
        let continuation = codes(settings.continuation)
        var (beginnings, continuations): ([ArraySlice<Code>: Int64], [ArraySlice<Code>: Int64]) = ([:], [:])
        let lines = vocabulary.last == lineFeed ? vocabulary.dropLast() : vocabulary[...]
        for (id, line) in lines.split(separator: lineFeed, omittingEmptySubsequences: false).enumerated() {
            let token = codes(String(decoding: line, as: UTF8.self))
            beginnings[token[...]] = Int64(id)
            if token.starts(with: continuation) { continuations[token[continuation.count...]] = Int64(id) }
        }
        func id(_ token: String) throws -> Int64 {
            guard let id = beginnings[codes(token)[...]] else { throw ContractError("the vocabulary has no \(token)") }
            return id
        }
        (unknown, start) = (try id(settings.unknown), try id(settings.start))
        (end, padding) = (try id(settings.end), try id(settings.padding))
        for token in settings.special { _ = try id(token) }
        (self.beginnings, self.continuations) = (beginnings, continuations)
        longestWord = settings.longestWord
        special = settings.special.map(codes).sorted { $0.count > $1.count }
    }

    /// One text, or two; cut at `maxLength`, the longer one first. `ContractError` where not even the frame has room.
    public func encode(_ text: String, _ pair: String? = nil, maxLength: Int) throws -> Encoded {
        let (first, second) = (tokens(text), pair.map(tokens))
        let room = maxLength - (second == nil ? 2 : 3)
        guard room >= 0 else { throw ContractError("maxLength = \(maxLength): too short for a text") }
        let kept = shares(first.count, second?.count ?? 0, room)
        var ids = [start] + first.prefix(kept.0) + [end]
        var types = [Int64](repeating: 0, count: ids.count)
        if let second {
            ids += second.prefix(kept.1) + [end]
            types += Array(repeating: 1, count: ids.count - types.count)
        }
        let rest = [Int64](repeating: 0, count: maxLength - ids.count)
        return Encoded(
            inputIDs: ids + rest.map { _ in padding }, attentionMask: ids.map { _ in 1 } + rest,
            tokenTypeIDs: types + rest)
    }

    private func tokens(_ text: String) -> [Int64] {
        let text = codes(text)
        var (found, begin, at): ([Int64], Int, Int) = ([], 0, 0)
        while at < text.count {
            guard let token = special.first(where: { text[at...].starts(with: $0) }) else {
                at += 1
                continue
            }
            found += plain(text[begin..<at]) + [beginnings[token[...]] ?? unknown]
            at += token.count
            begin = at
        }
        return found + plain(text[begin...])
    }

    private func plain(_ text: ArraySlice<Code>) -> [Int64] {
        characters.words(Array(text)).flatMap(pieces)
    }

    private func pieces(_ word: [Code]) -> [Int64] {
        guard word.count <= longestWord else { return [unknown] }
        var (found, begin): ([Int64], Int) = ([], 0)
        while begin < word.count {
            let known = begin == 0 ? beginnings : continuations
            guard let end = (begin + 1...word.count).last(where: { known[word[begin..<$0]] != nil }),
                let id = known[word[begin..<end]]
            else { return [unknown] }
            found.append(id)
            begin = end
        }
        return found
    }
}

private let lineFeed = UInt8(ascii: "\n")

/// How many tokens two texts keep: the longer one loses, and both come to half where both are longer than that.
private func shares(_ first: Int, _ second: Int, _ room: Int) -> (Int, Int) {
    guard first + second > room else { return (first, second) }
    let short = 2 * min(first, second) > room ? room / 2 : min(first, second)
    return first <= second ? (short, room - short) : (room - short, short)
}
