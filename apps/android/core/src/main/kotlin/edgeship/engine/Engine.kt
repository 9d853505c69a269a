/** What executes a model file: one engine per runtime, each a module of its own. */
package edgeship.engine

import java.io.File
import java.nio.ByteBuffer

/** Numbers in this machine's byte order, in C order; dtypes by the names that manifests have (float32, int64, …). */
class Tensor(val dtype: String, val shape: LongArray, val data: ByteBuffer)

/** A runtime. */
interface Engine {
    /** Its name in manifests. */
    val runtime: String

    val version: String

    /** Load a file; [options] are those of the artifact's runtime. */
    fun open(file: File, threads: Int, options: Map<String, String>): Model
}

/** A loaded file. */
interface Model : AutoCloseable {
    /** Outputs by name. */
    fun run(inputs: Map<String, Tensor>): Map<String, Tensor>
}
