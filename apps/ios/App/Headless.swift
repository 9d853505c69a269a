// A job without a screen: Documents/NAME.zip in, its result out, then the app ends with the job's exit code.
//
// A variable of the environment, which `devicectl` gives it, names the job.

import BenchCore
import UIKit

enum Headless {
    static var job: String? {
        ProcessInfo.processInfo.environment["EDGESHIP_JOB"]
    }

    @MainActor
    static func run(_ job: String) async {
        UIApplication.shared.isIdleTimerDisabled = true
        let machine = phone(processStartNs: sinceProcessStartNs())
        exit(await execute(sent: job, in: URL.documentsDirectory, [flavour.runtime], machine))
    }
}
