// The app with Core ML, which iOS brings.

import BenchCore
import Foundation
import HarnessCore

private let engine = CoreMLEngine(cache: URL.cachesDirectory.appending(path: "compiled"))

let flavour = Flavour(Runtime("coreml", backends: engine.backends) { engine }, forget: { try engine.forget() })
