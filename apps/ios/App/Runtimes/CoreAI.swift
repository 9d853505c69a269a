// The app with Core AI, which iOS 27 brings.

import BenchCore
import HarnessCore

let flavour = Flavour(Runtime("coreai", backends: ["all"]) { CoreAIEngine() })
