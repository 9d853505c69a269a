/** The flavour with LiteRT. */
package edgeship.app

import edgeship.bench.Runtime
import edgeship.engine.LiteRtEngine

class LiteRtApp : EdgeshipApp() {
    override val runtime = Runtime("litert", listOf("cpu", "gpu") + nnapi, ::LiteRtEngine)
}
