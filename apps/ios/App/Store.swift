// The bundles behind the screens.

import BenchCore
import HarnessCore
import Observation
import SwiftUI

@MainActor @Observable
final class Store {
    private(set) var products: [Product] = []
    /// Why bundles were refused, and what else went wrong.
    private(set) var notes: [String] = []
    private(set) var shelf: Shelf?

    /// Install what the app brings (bundles/ beside root.json) and what was put into Documents/bundles.
    func start() async {
        do {
            let opened = try await opened()
            (shelf, products, notes) = (opened.shelf, opened.products, opened.refused)
        } catch {
            notes = ["\(error)"]
        }
    }

    private nonisolated func opened() async throws -> (shelf: Shelf, products: [Product], refused: [String]) {
        guard let root = Bundle.main.url(forResource: "root", withExtension: "json") else {
            throw WrongFile("the app brings no root.json: see apps/ios/README.md")
        }
        let shelf = try Shelf(
            URL.applicationSupportDirectory.appending(path: "bundles"),
            files: URL.cachesDirectory.appending(path: "models"),
            root: Array(Data(contentsOf: root)), engine: flavour.runtime.start(), abi: abi)
        let own = Bundle.main.urls(forResourcesWithExtension: "zip", subdirectory: "bundles") ?? []
        let folder = URL.documentsDirectory.appending(path: "bundles")
        let others = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        let refused = shelf.install(own + others.filter { $0.pathExtension == "zip" })
        return (shelf, try shelf.products, refused)
    }
}
