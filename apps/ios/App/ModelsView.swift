// The first screen: which models are installed, and what can be done with each.

import HarnessCore
import SwiftUI

struct ModelsView: View {
    @Environment(Store.self) private var store

    var body: some View {
        NavigationStack {
            List {
                ForEach(store.products) { product in
                    Section("\(product.name) \(product.version)") {
                        link("Draw a digit", product) { DrawView(samples: $0) }
                        link("Pick a photo", product) { PhotoView(samples: $0) }
                        link("Compare sentences", product) { SentencesView(samples: $0) }
                        link("Benchmark", product) { BenchmarkView(samples: $0) }
                    }
                }
                if store.products.isEmpty { Text("No bundle is installed.") }
                ForEach(store.notes, id: \.self) { Text($0).font(.footnote) }
            }
            .navigationTitle("Models")
            .task { await store.start() }
        }
    }

    private func link(_ title: String, _ product: Product, screen: @escaping (Samples) -> some View) -> some View {
        NavigationLink(title) {
            LoadedView(product: product, content: screen).navigationTitle(title)
        }
    }
}

/// Loads a product's model, and shows a screen with it.
private struct LoadedView<Content: View>: View {
    let product: Product
    let content: (Samples) -> Content
    @Environment(Store.self) private var store
    @State private var samples: Samples?
    @State private var note = "Loading …"

    var body: some View {
        ScrollView {
            VStack(alignment: .leading, spacing: 16) {
                Text(note).font(.footnote)
                if let samples { content(samples) }
            }
            .frame(maxWidth: .infinity, alignment: .leading)
            .padding()
        }
        .task { await load() }
    }

    private func load() async {
        do {
            guard let loaded = try await store.shelf?.load(product, threads: threadCount) else {
                note = "No bundle of \(product.name) works on this device."
                return
            }
            samples = try Samples(loaded)
            let tried = loaded.sqnrDB.map { String(format: ", tried here: %.1f dB", $0) } ?? ""
            note = "\(loaded.artifact.name) by \(flavour.runtime.name)\(tried)"
        } catch {
            note = "\(error)"
        }
    }
}

/// What phones' large cores take without waiting for one another.
let threadCount = 2
