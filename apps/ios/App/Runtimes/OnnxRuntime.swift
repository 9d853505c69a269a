// The app with ONNX Runtime.

import BenchCore
import HarnessCore

let flavour = Flavour(Runtime("onnxruntime", backends: ["cpu", "coreml"]) { try OnnxRuntimeEngine() })
