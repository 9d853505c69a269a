// The app: models that are installed, and what can be done with each; or one job without a screen.

import SwiftUI

@main
struct EdgeshipApp: App {
    @State private var store = Store()

    var body: some Scene {
        WindowGroup {
            if let job = Headless.job {
                Text("Measuring …").task { await Headless.run(job) }
            } else {
                ModelsView().environment(store)
            }
        }
    }
}
