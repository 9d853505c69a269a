// Live sample of text encoders: type sentences and see which is the nearest to the first.

import HarnessCore
import SwiftUI

struct SentencesView: View {
    let samples: Samples
    @State private var sentences = [
        "How do I reset my password?", "I forgot my login.", "The weather is fine today.", "Where is my order?",
    ]
    @State private var answer = ""
    @State private var isBusy = false

    var body: some View {
        if samples.contract.texts.isEmpty || samples.contract.texts.values.contains(where: { $0.wordPiece == nil }) {
            Text("This model's contract has no text that is cut into word pieces.")
        } else {
            Text("A question, and sentences that may be near to it:")
            ForEach(sentences.indices, id: \.self) { TextField("a sentence", text: $sentences[$0]) }
                .textFieldStyle(.roundedBorder)
            Button("Compare") { Task { await compare() } }.disabled(isBusy)
            Text(answer)
        }
    }

    private func compare() async {
        isBusy = true
        defer { isBusy = false }
        do {
            let others = sentences.dropFirst().filter { !$0.isEmpty }
            answer = lines(try await samples.nearest(to: sentences[0], Array(others)))
        } catch {
            answer = "\(error)"
        }
    }
}
