// JSON as agents read and write it: names in snake case, unknown keys ignored, absent ones left out.

import Foundation

/// The message in these bytes; `DecodingError` where they hold none.
public func decode<Message: Decodable>(_ type: Message.Type, _ data: Data) throws -> Message {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: data)
}

/// The same message gives the same bytes: keys are sorted.
public func encode(_ message: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(message)
}

/// Write under another name, then rename: a result that is there is complete.
public func write(_ message: some Encodable, to file: URL) throws {
    let data = try encode(message)
    let disk = SystemDisk()
    let partial = file.path + ".part"
    try disk.write(partial) { use in try data.withUnsafeBytes(use) }
    try disk.sync(partial)
    try disk.rename(partial, to: file.path)
}

extension JSON: Codable {
    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let whole = try? value.decode(Int.self) {
            self = .number(ExactText("\(whole)"))
        } else if let number = try? value.decode(Double.self) {
            self = .number(ExactText("\(number)"))
        } else if let text = try? value.decode(String.self) {
            self = .text(ExactText(text))
        } else if let elements = try? value.decode([JSON].self) {
            self = .array(elements)
        } else {
            let members = try value.decode([String: JSON].self)
            self = .object(Dictionary(uniqueKeysWithValues: members.map { (ExactText($0), $1) }))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .bool(let bool): try value.encode(bool)
        case .number: if let whole { try value.encode(whole) } else { try value.encode(double) }
        case .text(let text): try value.encode(text.description)
        case .array(let elements): try value.encode(elements)
        case .object(let members):
            try value.encode(Dictionary(uniqueKeysWithValues: members.map { ($0.description, $1) }))
        }
    }
}
