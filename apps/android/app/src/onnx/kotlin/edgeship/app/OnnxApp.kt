/** The flavour with ONNX Runtime. */
package edgeship.app

import edgeship.bench.Runtime
import edgeship.engine.OnnxEngine

class OnnxApp : EdgeshipApp() {
    override val runtime = Runtime("onnxruntime", listOf("cpu", "xnnpack") + nnapi, ::OnnxEngine)
}
