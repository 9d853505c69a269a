// What a bundle's manifest says of an app's part: how inputs are made, and what outputs are called.

import BenchCore
import EdgeshipContract
import Foundation

/// Which of a tokenizer's outputs an input takes.
public struct TextInput: Sendable {
    public let maxLength: Int
    /// input_ids, attention_mask, token_type_ids
    public let output: String
    /// nil where the app must bring the tokenizer itself.
    public let wordPiece: WordPiece?

    /// One text as this input; `WrongTensor` where the contract asks for an output that no tokenizer has.
    public func tensor(_ text: String) throws -> Tensor {
        guard let wordPiece else { throw Malformed("wordpiece") }
        let encoded = try wordPiece.encode(text, maxLength: maxLength)
        let outputs = [
            "input_ids": encoded.inputIDs, "attention_mask": encoded.attentionMask,
            "token_type_ids": encoded.tokenTypeIDs,
        ]
        guard let ids = outputs[output] else { throw Malformed(output) }
        return try Tensor(ids, [1, maxLength])
    }
}

/// By input name; an input that is in none of them takes the model's own numbers.
public struct Contract: Sendable {
    public private(set) var images: [String: ImageInput] = [:]
    public private(set) var texts: [String: TextInput] = [:]
    public private(set) var sounds: [String: AudioInput] = [:]
    /// The classes, in the order of the output's values.
    public let labels: [String]
    /// The output whose softmax is the classes' probability; nil where none is.
    public let logits: String?
    /// The output whose values are the classes' probability by themselves; nil where none is.
    public let probabilities: String?

    /// Of an artifact's bundle; `Malformed` where the manifest's contract is none.
    public init(_ manifest: Object, _ artifact: Artifact) throws {
        let about = try manifest.member("contract")
        labels = try about["labels"] == nil ? [] : about.texts("labels").map(\.description)
        logits = about["logits"]?.text?.description
        probabilities = about["probabilities"]?.text?.description
        for (name, value) in try about.member("inputs") {
            guard let input = value.object else { throw Malformed(name) }
            if input["tokenizer"] != nil {
                texts[name.description] = TextInput(
                    maxLength: try input.whole("max_length"), output: try input.text("output").description,
                    wordPiece: try input["wordpiece"]?.object.map { try wordPiece($0, artifact) })
            } else if input["sample_rate_hz"] != nil {
                sounds[name.description] = try decoded(AudioInput.self, input)
            } else {
                images[name.description] = try decoded(ImageInput.self, input)
            }
        }
    }
}

private func wordPiece(_ settings: Object, _ artifact: Artifact) throws -> WordPiece {
    try WordPiece(
        vocabulary: artifact.file(settings.text("vocabulary").description),
        characters: artifact.file(settings.text("characters").description),
        settings: decoded(WordPieceSettings.self, settings))
}

private func decoded<Settings: Decodable>(_ type: Settings.Type, _ about: Object) throws -> Settings {
    try JSONDecoder().decode(type, from: JSONEncoder().encode(JSON.object(about)))
}
