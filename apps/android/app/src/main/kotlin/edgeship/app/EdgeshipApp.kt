/** The app as a whole: its runtime, which each flavour names, and the bundles that are installed. */
package edgeship.app

import android.app.Application
import android.os.Build
import edgeship.bench.Runtime
import edgeship.engine.Engine
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors

abstract class EdgeshipApp : Application() {
    abstract val runtime: Runtime

    /** Where this Android has it: on 8.0 the runtimes would compute on the CPU, and not say so. */
    protected val nnapi = listOf("nnapi").filter { Build.VERSION.SDK_INT >= Build.VERSION_CODES.O_MR1 }

    /** Loading and computing: never on the main thread, one thing at a time. */
    val worker: ExecutorService = Executors.newSingleThreadExecutor()

    val engine: Engine by lazy { runtime.start() }

    val shelf: Shelf by lazy { Shelf(this) }
}
