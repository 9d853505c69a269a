/** The flavour with ExecuTorch. */
package edgeship.app

import edgeship.bench.Runtime
import edgeship.engine.ExecuTorchEngine

/** The archive's, as in app/build.gradle.kts. */
private const val EXECUTORCH_VERSION = "1.4.0"

class ExecuTorchApp : EdgeshipApp() {
    override val runtime = Runtime("executorch", listOf("xnnpack", "portable")) { ExecuTorchEngine(EXECUTORCH_VERSION) }
}
