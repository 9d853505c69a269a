// The app: models that are installed, and what can be done with each; or one job without a screen.

import SwiftUI

@main
struct EdgeshipApp: App {
    @State private var store = Store()

    var body: some Scene {
        WindowGroup {
            if Headless.isAsked {
                Text("Measuring …").task { await Headless.run() }
            } else {
                ModelsView().environment(store)
            }
        }
    }
}
