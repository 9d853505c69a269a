// Measures the chosen model on each backend of this app, shows how far it is, and shares the results.

import BenchCore
import HarnessCore
import SwiftUI

private let phases: [Phase] = [.start, .load, .warmup, .measure, .collect]

struct BenchmarkView: View {
    let samples: Samples
    @State private var chosen = flavour.runtime.backends[0]
    @State private var phase: Phase?
    @State private var found: [BackendMeasurement] = []
    @State private var note = ""

    var body: some View {
        Text("Best in flight mode, not charging, the phone cool and left alone. About half a minute for each.")
        Picker("Backend", selection: $chosen) {
            ForEach(flavour.runtime.backends, id: \.self) { Text($0) }
        }
        Button("Measure") { Task { await measure() } }.disabled(phase != nil)
        if let phase {
            ProgressView(
                phase.rawValue, value: Double(phases.firstIndex(of: phase) ?? 0) + 1, total: Double(phases.count))
        }
        Text(note)
        ForEach(found) { one in
            Text(one.summary)
            ForEach(one.files, id: \.self) { ShareLink(item: $0) }
        }
    }

    private func measure() async {
        UIApplication.shared.isIdleTimerDisabled = true
        phase = .start
        defer {
            UIApplication.shared.isIdleTimerDisabled = false
            phase = nil
        }
        do {
            let told = AsyncStream.makeStream(of: Phase.self)
            let showing = Task { for await one in told.stream { phase = one } }
            let one = try await measured(
                samples.loaded.artifact, on: chosen, of: flavour, phone(), threads: threadCount,
                scratch: URL.cachesDirectory.appending(path: "bench"),
                kept: URL.documentsDirectory.appending(path: "results")
            ) { told.continuation.yield($0) }
            told.continuation.finish()
            await showing.value
            found.removeAll { $0.backend == one.backend }
            found.append(one)
        } catch {
            note = "\(error)"
        }
    }
}
