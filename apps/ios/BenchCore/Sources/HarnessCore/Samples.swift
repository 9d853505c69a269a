// What the live screens do with a loaded model.

import BenchCore
import EdgeshipContract

/// Classes by their scores, and sentences by their likeness.
public struct Samples: Sendable {
    public let loaded: Loaded
    public let contract: Contract
    private let turns = Turns()

    public init(_ loaded: Loaded) throws {
        self.loaded = loaded
        contract = try Contract(loaded.bundle.manifest, loaded.artifact)
    }

    /// What a drawing is, the likeliest first.
    public func classified(_ ink: [Bool]) async throws -> [Score] {
        try await classified(digit(ink), 3)
    }

    /// What is in a picture, the likeliest first; `Malformed` where the model takes none.
    public func classified(_ picture: Picture, _ k: Int = 5) async throws -> [Score] {
        guard let (name, said) = contract.images.first, contract.images.count == 1 else { throw Malformed("image") }
        let outputs = try await turns.run(loaded.model, [tensor(said, picture, loaded.artifact.inputTypes[name])])
        let named = contract.logits ?? contract.probabilities
        let values = try outputs[loaded.artifact.outputNames.firstIndex { $0 == named } ?? 0].floats()
        return topK(contract.logits == nil ? values : softmax(values), k, labels: contract.labels)
    }

    /// One picture as a batch; Core ML's files take its bytes as int32, which its engine makes of them.
    private func tensor(_ said: ImageInput, _ picture: Picture, _ dtype: DType?) throws -> Tensor {
        if dtype == .uint8 || dtype == .int32 {
            let made = said.bytes(picture)
            return try Tensor(.uint8, [1] + made.shape, made.bytes)
        }
        let made = try said.apply(picture)
        return try Tensor(made.values, [1] + made.shape)
    }

    /// How near each sentence is to a question, the nearest first.
    public func nearest(to question: String, _ sentences: [String]) async throws -> [Score] {
        let asked = try await embedded(question)
        var near: [Float] = []
        for sentence in sentences { near.append(cosine(asked, try await embedded(sentence))) }
        return topK(near, sentences.count, labels: sentences)
    }

    /// Each input of the model takes one of the tokenizer's outputs.
    private func embedded(_ sentence: String) async throws -> [Float] {
        let inputs = try loaded.artifact.inputNames.map { name in
            guard let input = contract.texts[name] else { throw Malformed(name) }
            return try input.tensor(sentence)
        }
        return try await first(inputs)
    }

    private func first(_ inputs: [Tensor]) async throws -> [Float] {
        try await turns.run(loaded.model, inputs)[0].floats()
    }
}

/// Calls one after another: a model takes one at a time, and screens ask whenever something changes.
private actor Turns {
    private var last: Task<[Tensor], any Error>?

    func run(_ model: any Model, _ inputs: [Tensor]) async throws -> [Tensor] {
        let before = last
        let mine = Task {
            _ = try? await before?.value
            return try await model.run(inputs)
        }
        last = mine
        return try await mine.value
    }
}
