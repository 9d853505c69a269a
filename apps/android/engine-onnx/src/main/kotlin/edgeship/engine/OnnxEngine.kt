/** ONNX Runtime, on Android and on the JVM alike. */
package edgeship.engine

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

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

class OnnxEngine : Engine {
    private val environment = OrtEnvironment.getEnvironment()

    override val runtime = "onnxruntime"

    override val version: String = environment.version

    override fun open(file: File, threads: Int, options: Map<String, String>): Model {
        val settings = OrtSession.SessionOptions()
        settings.setIntraOpNumThreads(threads)
        settings.setInterOpNumThreads(1)
        options.forEach(settings::addConfigEntry)
        return OnnxModel(environment, environment.createSession(file.path, settings))
    }
}

private class OnnxModel(private val environment: OrtEnvironment, private val session: OrtSession) : Model {
    override fun run(inputs: Map<String, Tensor>): Map<String, Tensor> {
        val given = inputs.mapValues { (_, tensor) -> native(tensor) }
        try {
            return session.run(given).use { answers -> answers.associate { it.key to copy(it.value as OnnxTensor) } }
        } finally {
            given.values.forEach(OnnxTensor::close)
        }
    }

    override fun close() = session.close()

    private fun native(tensor: Tensor): OnnxTensor =
        OnnxTensor.createTensor(environment, tensor.data.duplicate().order(ByteOrder.nativeOrder()), tensor.shape, TYPES.getValue(tensor.dtype))

    /** The runtime frees its own memory when the answers are closed. */
    private fun copy(tensor: OnnxTensor): Tensor {
        val from: ByteBuffer = tensor.byteBuffer
        val data = ByteBuffer.allocateDirect(from.remaining()).order(ByteOrder.nativeOrder())
        data.put(from).flip()
        val dtype = TYPES.entries.first { it.value == tensor.info.type }.key
        return Tensor(dtype, tensor.info.shape, data)
    }
}
