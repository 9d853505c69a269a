// Live sample of examples/digits: draw a digit and see it classified.

import EdgeshipContract
import HarnessCore
import SwiftUI

struct DrawView: View {
    let samples: Samples
    @State private var ink = Ink()
    @State private var last: CGPoint?
    @State private var answer = "Draw a digit, as large as the field."

    var body: some View {
        GeometryReader { field in
            Canvas { context, size in
                let point = size.width / Double(inkSide)
                for (at, isInk) in ink.points.enumerated() where isInk {
                    let (row, column) = (Double(at / inkSide), Double(at % inkSide))
                    let place = CGRect(x: column * point, y: row * point, width: point, height: point)
                    context.fill(Path(place), with: .color(.black))
                }
            }
            .background(Color(white: 0.85))
            .gesture(
                DragGesture(minimumDistance: 0).onChanged { drag($0.location, field.size) }.onEnded { _ in last = nil })
        }
        .aspectRatio(1, contentMode: .fit)
        .accessibilityLabel("Draw a digit here")
        Text(answer)
        Button("Clear") { ink = Ink() }
            .task(id: ink) { await classify() }
    }

    private func drag(_ place: CGPoint, _ size: CGSize) {
        func points(_ place: CGPoint) -> (x: Double, y: Double) {
            (place.x / size.width * Double(inkSide), place.y / size.height * Double(inkSide))
        }
        ink.stroke(from: points(last ?? place), to: points(place))
        last = place
    }

    private func classify() async {
        guard ink != Ink() else { return }
        do {
            answer = lines(try await samples.classified(ink.points))
        } catch {
            answer = "\(error)"
        }
    }
}

/// Scores as a user reads them.
func lines(_ scores: [Score]) -> String {
    scores.map { String(format: "%.3f  %@", $0.score, $0.label) }.joined(separator: "\n")
}
