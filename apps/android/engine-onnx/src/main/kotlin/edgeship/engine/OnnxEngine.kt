/** ONNX Runtime, on Android and on the JVM alike. */
package edgeship.engine

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import ai.onnxruntime.providers.NNAPIFlags
import java.io.File
import java.nio.ByteOrder
import java.util.EnumSet
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

private val TYPES = mapOf(
    "float32" to OnnxJavaType.FLOAT,
    "float64" to OnnxJavaType.DOUBLE,
    "int8" to OnnxJavaType.INT8,
    "uint8" to OnnxJavaType.UINT8,
    "int16" to OnnxJavaType.INT16,
    "int32" to OnnxJavaType.INT32,
    "int64" to OnnxJavaType.INT64,
    "float16" to OnnxJavaType.FLOAT16,
    "bool" to OnnxJavaType.BOOL,
)
private val LEVELS = mapOf(
    "disable" to OrtSession.SessionOptions.OptLevel.NO_OPT,
    "basic" to OrtSession.SessionOptions.OptLevel.BASIC_OPT,
    "extended" to OrtSession.SessionOptions.OptLevel.EXTENDED_OPT,
    "all" to OrtSession.SessionOptions.OptLevel.ALL_OPT,
)

/**
 * Options: graph_optimization (disable, basic, extended, all), config (entries), custom_op_libraries (names of files beside
 * the model), float16. Backends: cpu, xnnpack, nnapi; how many nodes one of them took, the runtime does not tell.
 */
class OnnxEngine : Engine {
    private val environment = OrtEnvironment.getEnvironment()

    override val runtime = "onnxruntime"

    override val version: String = environment.version

    override fun open(load: Load): Model =
        OrtSession.SessionOptions().use { settings ->
            settings.setIntraOpNumThreads(load.threads)
            settings.setInterOpNumThreads(1)
            (load.options["graph_optimization"] as? JsonPrimitive)?.let {
                settings.setOptimizationLevel(requireNotNull(LEVELS[it.content]) { "graph_optimization: ${it.content}" })
            }
            (load.options["custom_op_libraries"] as? JsonArray).orEmpty().forEach {
                settings.registerCustomOpLibrary(File(load.file.parentFile, (it as JsonPrimitive).content).path)
            }
            (load.options["config"] as? JsonObject).orEmpty().forEach { (key, value) ->
                settings.addConfigEntry(key, (value as JsonPrimitive).content)
            }
            onBackend(load.backend) {
                if (load.backend != CPU) settings.offer(load)
                OnnxModel(environment, environment.createSession(load.file.path, settings), load)
            }
        }
}

private fun OrtSession.SessionOptions.offer(load: Load) = when (load.backend) {
    "nnapi" -> addNnapi(nnapiFlags(load.float16))
    "xnnpack" -> {
        // it has threads of its own: the runtime's would take their cores
        setIntraOpNumThreads(1)
        addConfigEntry("session.intra_op.allow_spinning", "0")
        addXnnpack(mapOf("intra_op_num_threads" to "${load.threads}"))
    }
    else -> throw IllegalArgumentException("ONNX Runtime has xnnpack and nnapi")
}

/** Without the CPU among NNAPI's devices: its reference kernels are slower than the runtime's. */
internal fun nnapiFlags(float16: Boolean): EnumSet<NNAPIFlags> =
    EnumSet.of(NNAPIFlags.CPU_DISABLED).apply { if (float16) add(NNAPIFlags.USE_FP16) }

private class OnnxModel(private val environment: OrtEnvironment, private val session: OrtSession, load: Load) : Model {
    private val names = session.inputNames.toList().let { found -> positions(load.inputs, found, "inputs").map(found::get) }
    private val wanted = session.outputNames.toList().let { found -> positions(load.outputs, found, "outputs").map(found::get) }
    private val asked = wanted.toSet()
    private var fed = emptyMap<String, OnnxTensor>()
    private var answer: OrtSession.Result? = null

    override fun feed(inputs: List<Tensor>) {
        fed.values.forEach(OnnxTensor::close)
        fed = names.zip(inputs).associate { (name, tensor) -> name to native(tensor) }
    }

    override fun invoke() {
        answer?.close() // the runtime owns its answers' memory until then
        answer = session.run(fed, asked)
    }

    override fun fetch(): List<Tensor> {
        val answer = checkNotNull(answer) { "nothing was invoked" }
        return wanted.map { copy(answer[it].get() as OnnxTensor) }
    }

    override fun close() {
        answer?.close()
        fed.values.forEach(OnnxTensor::close)
        session.close()
    }

    private fun native(tensor: Tensor): OnnxTensor {
        val type = requireNotNull(TYPES[tensor.dtype]) { "ONNX Runtime's Java API takes no ${tensor.dtype}" }
        return OnnxTensor.createTensor(environment, tensor.data.duplicate().order(ByteOrder.nativeOrder()), tensor.shape, type)
    }

    private fun copy(tensor: OnnxTensor): Tensor {
        val from = tensor.byteBuffer
        val data = buffer(from.remaining())
        data.put(from).flip()
        return Tensor(TYPES.entries.first { it.value == tensor.info.type }.key, tensor.info.shape, data)
    }
}
