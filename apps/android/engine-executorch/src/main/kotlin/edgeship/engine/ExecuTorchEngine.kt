/** ExecuTorch, by the classes of its Android archive. */
package edgeship.engine

import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.pytorch.executorch.DType
import org.pytorch.executorch.EValue
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor as NativeTensor

private const val METHOD = "forward"

/**
 * Which backend computes is in the file. The archive does not tell its [version]: it is the one that the app is built with.
 * It tells no names either: tensors are taken by position.
 */
class ExecuTorchEngine(override val version: String) : Engine {
    override val runtime = "executorch"

    override fun open(load: Load): Model =
        ExecuTorchModel(Module.load(load.file.path, Module.LOAD_MODE_MMAP, load.threads), load)
}

private class ExecuTorchModel(private val module: Module, private val load: Load) : Model {
    private var fed = emptyArray<EValue>()
    private var answer = emptyArray<EValue>()

    /** Else it would be loaded in the first call. Up to 1.2 a failure is a number, and [invoke] fails; later it throws. */
    override fun prepare(inputs: List<Tensor>) {
        module.loadMethod(METHOD)
    }

    override fun feed(inputs: List<Tensor>) {
        fed = Array(inputs.size) { EValue.from(native(inputs[it])) }
    }

    override fun invoke() {
        answer = module.forward(*fed)
    }

    override fun fetch(): List<Tensor> {
        require(load.outputs.isEmpty() || load.outputs.size == answer.size) {
            "the file has ${answer.size} outputs; asked for: ${load.outputs.joinToString()}"
        }
        return answer.map { copy(it.toTensor()) }
    }

    override fun close() = module.destroy()

    private fun native(tensor: Tensor): NativeTensor {
        val data: ByteBuffer = tensor.data.duplicate().order(ByteOrder.nativeOrder())
        return when (tensor.dtype) {
            "float32" -> NativeTensor.fromBlob(data.asFloatBuffer(), tensor.shape)
            "float64" -> NativeTensor.fromBlob(data.asDoubleBuffer(), tensor.shape)
            "int64" -> NativeTensor.fromBlob(data.asLongBuffer(), tensor.shape)
            "int32" -> NativeTensor.fromBlob(data.asIntBuffer(), tensor.shape)
            "int8" -> NativeTensor.fromBlob(data, tensor.shape)
            "uint8" -> NativeTensor.fromBlobUnsigned(data, tensor.shape)
            else -> throw IllegalArgumentException("ExecuTorch's Java API takes no ${tensor.dtype}")
        }
    }

    private fun copy(tensor: NativeTensor): Tensor {
        val shape = tensor.shape()
        fun filled(dtype: String, fill: (ByteBuffer) -> Unit) =
            Tensor(dtype, shape, buffer(bytesOf(dtype, shape)).also(fill))
        return when (tensor.dtype()) {
            DType.FLOAT -> filled("float32") { it.asFloatBuffer().put(tensor.dataAsFloatArray) }
            DType.DOUBLE -> filled("float64") { it.asDoubleBuffer().put(tensor.dataAsDoubleArray) }
            DType.INT64 -> filled("int64") { it.asLongBuffer().put(tensor.dataAsLongArray) }
            DType.INT32 -> filled("int32") { it.asIntBuffer().put(tensor.dataAsIntArray) }
            DType.INT8 -> filled("int8") { it.duplicate().put(tensor.dataAsByteArray) }
            DType.UINT8 -> filled("uint8") { it.duplicate().put(tensor.dataAsUnsignedByteArray) }
            else -> throw IllegalArgumentException("ExecuTorch's Java API gives no ${tensor.dtype()}")
        }
    }
}
