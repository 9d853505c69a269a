// One case of tests/parity_cases.py, answered as docs/codegen.md says.

import BenchCore
import EdgeshipContract
import Foundation

/// Writes the answer below `out`; files are named relative to `folder`.
func answerContract(_ asked: Object, in folder: URL, out: URL) throws {
    func bytes(_ key: ExactText) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appendingPathComponent(asked.text(key).description)))
    }
    func decoded<Settings: Decodable>(_ key: ExactText) throws -> Settings {
        try JSONDecoder().decode(Settings.self, from: JSONEncoder().encode(JSON.object(asked.member(key))))
    }
    func picture() throws -> Picture {
        try Picture(
            rgba: bytes("picture"), width: asked.whole("width"), height: asked.whole("height"),
            strideBytes: asked.whole("stride"), orientation: asked.whole("orientation"))
    }
    func values() throws -> [Float] {
        let bytes = try bytes("values")
        return try Tensor(.float32, [bytes.count / 4], bytes).floats()
    }
    let answer: [UInt8]
    switch try asked.text("kind").description {
    case "resize":
        let size = try asked.wholes("size")
        let filter = Filter(rawValue: try asked.text("filter").description) ?? .nearest
        let colour = Colour(rawValue: try asked.text("colour").description) ?? .rgb
        let to = ImageInput.Resize.to(Size(height: size[0], width: size[1]))
        answer = try ImageInput(resize: to, interpolation: filter, colour: colour).bytes(picture()).bytes
    case "image":
        let input: ImageInput = try decoded("input")
        answer = try input.apply(picture()).values.withUnsafeBytes(Array.init)
    case "bytes":
        let input: ImageInput = try decoded("input")
        answer = try input.bytes(picture()).bytes
    case "text":
        let settings: WordPieceSettings = try decoded("settings")
        let words = try WordPiece(vocabulary: bytes("vocabulary"), characters: bytes("characters"), settings: settings)
        let length = try asked.whole("max_length")
        answer = try bytes("lines").split(separator: UInt8(ascii: "\n")).flatMap { line in
            let texts = try texts(Array(line))
            let found = try words.encode(texts[0], texts.count > 1 ? texts[1] : nil, maxLength: length)
            return (found.inputIDs + found.attentionMask + found.tokenTypeIDs).withUnsafeBytes(Array.init)
        }
    case "sound":
        let input: AudioInput = try decoded("input")
        answer = try input.apply(values()).withUnsafeBytes(Array.init)
    case "softmax": answer = try softmax(values()).withUnsafeBytes(Array.init)
    case "top_k":
        let best = try topK(values(), asked.whole("k"))
        answer = best.map { Int32($0.index) }.withUnsafeBytes(Array.init)
    default: throw Malformed("kind")
    }
    let place = out.appendingPathComponent(try asked.text("out").description)
    try FileManager.default.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(answer).write(to: place)
}

/// A text, or a pair.
private func texts(_ line: [UInt8]) throws -> [String] {
    let about = try parse(Array(#"{"text":"#.utf8) + line + Array("}".utf8))
    return try about["text"]?.text.map { [$0.description] } ?? about.texts("text").map(\.description)
}
