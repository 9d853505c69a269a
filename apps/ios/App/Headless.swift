// A job without a screen: Documents/job.json in, Documents/result.json out, then the app ends with the job's exit code.
//
// The launch argument --job asks for it.

import BenchCore
import UIKit

enum Headless {
    static var isAsked: Bool {
        ProcessInfo.processInfo.arguments.contains("--job")
    }

    @MainActor
    static func run() async {
        UIApplication.shared.isIdleTimerDisabled = true
        let machine = phone(processStartNs: sinceProcessStartNs())
        exit(await execute(in: URL.documentsDirectory, [flavour.runtime], machine))
    }
}
