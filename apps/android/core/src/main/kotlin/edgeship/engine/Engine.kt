/** What executes a model file: one engine per runtime, each a module of its own. */
package edgeship.engine

import java.io.File
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull

/** The backend of a runtime's own kernels. */
const val CPU = "cpu"

/** A runtime. */
interface Engine {
    /** Its name in manifests and jobs. */
    val runtime: String

    val version: String

    /** Read a file. */
    fun open(load: Load): Model
}

/**
 * What to load, and how. [inputs] and [outputs] are the model's names in its order: tensors are found by them where the
 * file knows them all, else by position. [backend] is offered the nodes first; what it leaves, the runtime's own kernels
 * compute. [options] are the runtime's own, as the artifact or the job has them.
 */
class Load(
    val file: File,
    val inputs: List<String>,
    val outputs: List<String>,
    val threads: Int = 1,
    val backend: String = CPU,
    val options: JsonObject = JsonObject(emptyMap()),
) {
    /** Of a backend other than the CPU: whether it may compute in half precision; not where nothing is said. */
    val float16: Boolean
        get() = options["float16"]?.let {
            requireNotNull((it as? JsonPrimitive)?.booleanOrNull) { "float16: $it is neither true nor false" }
        } ?: false
}

/** A backend that cannot be had here, or not for this file; never is another taken in its place. */
class NoBackend(name: String, cause: Throwable) :
    Exception("no $name here for this file: ${cause.javaClass.simpleName}: ${cause.message}", cause)

/** What [name] is needed for: whatever is said against it is a [NoBackend]. The CPU's errors are the file's own. */
inline fun <T> onBackend(name: String, action: () -> T): T {
    if (name == CPU) return action()
    return try {
        action()
    } catch (error: Exception) {
        throw NoBackend(name, error)
    } catch (error: LinkageError) { // an app without its library
        throw NoBackend(name, error)
    }
}

/** A loaded file, for one thread at a time; tensors in the order of [Load.inputs] and [Load.outputs]. */
interface Model : AutoCloseable {
    /** Compile or allocate for inputs of these shapes. */
    fun prepare(inputs: List<Tensor>) {}

    /** Take these inputs; they may not change until [invoke] returned. */
    fun feed(inputs: List<Tensor>)

    /** Compute: what a measurement times. */
    fun invoke()

    /** What the last [invoke] answered: a copy. */
    fun fetch(): List<Tensor>
}

/** One call. */
fun Model.run(inputs: List<Tensor>): List<Tensor> {
    feed(inputs)
    invoke()
    return fetch()
}

/** For each of [wanted] its index in [found]: by name if all are there, else by position. [what]: inputs or outputs. */
fun positions(wanted: List<String>, found: List<String>, what: String): List<Int> {
    if (wanted.isEmpty()) return found.indices.toList()
    if (found.containsAll(wanted)) return wanted.map(found::indexOf)
    require(wanted.size == found.size) { "the file has the $what ${found.joinToString()}; asked for: ${wanted.joinToString()}" }
    return found.indices.toList()
}
