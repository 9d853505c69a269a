// The app with ExecuTorch; its version is that of the package in project.yml.

import BenchCore
import HarnessCore

let flavour = Flavour(
    Runtime("executorch", backends: ["xnnpack", "coreml", "cpu"]) { ExecuTorchEngine(version: "1.4.0") })
