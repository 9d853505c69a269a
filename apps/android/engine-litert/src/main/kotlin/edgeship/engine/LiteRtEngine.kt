/** LiteRT, by its interpreter (package org.tensorflow.lite), which TensorFlow Lite has had before it. */
package edgeship.engine

import java.nio.ByteOrder
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.booleanOrNull
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Delegate
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor as NativeTensor
import org.tensorflow.lite.TensorFlowLite
import org.tensorflow.lite.nnapi.NnApiDelegate

private val TYPES = mapOf(
    "float32" to DataType.FLOAT32,
    "int64" to DataType.INT64,
    "int32" to DataType.INT32,
    "int16" to DataType.INT16,
    "int8" to DataType.INT8,
    "uint8" to DataType.UINT8,
    "bool" to DataType.BOOL,
)

/**
 * Options: xnnpack (false: the runtime's own kernels), float16. Backends: cpu, gpu, nnapi; how many nodes one of them took,
 * the runtime does not tell. Inputs are copied into the interpreter by [Model.invoke].
 */
class LiteRtEngine : Engine {
    override val runtime = "litert"

    override val version: String = TensorFlowLite.runtimeVersion()

    override fun open(load: Load): Model {
        val settings = Interpreter.Options()
        settings.setNumThreads(load.threads)
        settings.setUseXNNPACK((load.options["xnnpack"] as? JsonPrimitive)?.booleanOrNull ?: true)
        if (load.backend == CPU) return LiteRtModel(Interpreter(load.file, settings), load, null)
        return onBackend(load.backend) { delegated(load, settings) }
    }

    private fun delegated(load: Load, settings: Interpreter.Options): Model {
        val delegate = delegate(load)
        var interpreter: Interpreter? = null
        try {
            interpreter = Interpreter(load.file, settings.addDelegate(delegate))
            if (delegate is NnApiDelegate) check(!delegate.hasErrors()) { "NNAPI's error ${delegate.nnapiErrno}" }
            return LiteRtModel(interpreter, load, delegate)
        } catch (error: Exception) {
            interpreter?.close()
            delegate.close()
            throw error
        }
    }
}

private class LiteRtModel(private val interpreter: Interpreter, private val load: Load, private val delegate: Delegate?) : Model {
    private val signature = interpreter.signatureKeys.singleOrNull()
    private val inputs = places(load.inputs, interpreter.inputTensorCount, "inputs", interpreter::getInputTensor) {
        interpreter.getSignatureInputs(it).toList() to interpreter::getInputTensorFromSignature
    }
    private val outputs = places(load.outputs, interpreter.outputTensorCount, "outputs", interpreter::getOutputTensor) {
        interpreter.getSignatureOutputs(it).toList() to interpreter::getOutputTensorFromSignature
    }
    private var shapes = emptyList<List<Int>>()
    private val fed = arrayOfNulls<Any>(interpreter.inputTensorCount)

    override fun prepare(inputs: List<Tensor>) {
        shapes = inputs.map(::shape)
        this.inputs.zip(shapes) { place, shape -> interpreter.resizeInput(place, shape.toIntArray()) }
        onBackend(load.backend) { interpreter.allocateTensors() } // other shapes are offered to it anew
    }

    override fun feed(inputs: List<Tensor>) {
        if (inputs.map(::shape) != shapes) prepare(inputs)
        this.inputs.zip(inputs) { place, tensor ->
            val found = interpreter.getInputTensor(place)
            require(found.dataType() == TYPES[tensor.dtype]) { "input ${found.name()} is ${found.dataType()}, not ${tensor.dtype}" }
            fed[place] = tensor.data.duplicate().order(ByteOrder.nativeOrder())
        }
    }

    /** No outputs are asked for: they are read by [fetch], where they lie. */
    override fun invoke() {
        fed.forEach { (it as java.nio.ByteBuffer).rewind() }
        interpreter.runForMultipleInputsOutputs(fed, emptyMap<Int, Any>())
    }

    override fun fetch(): List<Tensor> = outputs.map { copy(interpreter.getOutputTensor(it)) }

    override fun close() {
        interpreter.close()
        delegate?.close() // the interpreter uses it to its end
    }

    private fun shape(tensor: Tensor) = tensor.shape.map(Math::toIntExact)

    private fun copy(tensor: NativeTensor): Tensor {
        val from = tensor.asReadOnlyBuffer()
        val data = buffer(from.remaining())
        data.put(from).flip()
        val dtype = requireNotNull(TYPES.entries.firstOrNull { it.value == tensor.dataType() }) { "${tensor.dataType()} is not known" }
        return Tensor(dtype.key, tensor.shape().map(Int::toLong).toLongArray(), data)
    }

    /** Where the model's tensors are: by the names of the only signature if they are the model's, else the graph's. */
    private fun places(
        wanted: List<String>,
        count: Int,
        what: String,
        at: (Int) -> NativeTensor,
        signed: (String) -> Pair<List<String>, (String, String) -> NativeTensor>,
    ): List<Int> {
        val graph = (0 until count).map(at)
        if (signature != null) {
            val (names, tensor) = signed(signature)
            if (names.containsAll(wanted)) {
                val indices = graph.map { it.index() }
                return wanted.map { indices.indexOf(tensor(it, signature).index()) }
            }
        }
        return positions(wanted, graph.map { it.name() }, what)
    }
}
