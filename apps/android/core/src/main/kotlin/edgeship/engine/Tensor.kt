/** Numbers in a direct buffer, as every runtime takes them. */
package edgeship.engine

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** In this machine's byte order, in C order; dtypes by the names that manifests have (float32, int64, …). */
class Tensor(val dtype: String, val shape: LongArray, val data: ByteBuffer)

private val SIZES = mapOf(
    "float64" to 8, "int64" to 8, "float32" to 4, "int32" to 4, "float16" to 2, "bfloat16" to 2, "int16" to 2, "uint16" to 2,
    "int8" to 1, "uint8" to 1, "bool" to 1,
)

/** A direct buffer of so many bytes, in this machine's byte order. */
fun buffer(bytes: Int): ByteBuffer = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())

/** The bytes that a tensor of this dtype and shape has. */
fun bytesOf(dtype: String, shape: LongArray): Int {
    val size = requireNotNull(SIZES[dtype]) { "$dtype is no dtype: ${SIZES.keys.joinToString()}" }
    return Math.toIntExact(shape.fold(size.toLong(), Math::multiplyExact))
}

/** float32 numbers as a tensor. */
fun tensorOf(values: FloatArray, vararg shape: Long): Tensor {
    require(bytesOf("float32", shape) == 4 * values.size) { "${values.size} numbers for ${shape.joinToString(" × ")}" }
    val data = buffer(4 * values.size)
    data.asFloatBuffer().put(values)
    return Tensor("float32", shape, data)
}

/** int64 numbers as a tensor. */
fun tensorOf(values: LongArray, vararg shape: Long): Tensor {
    require(bytesOf("int64", shape) == 8 * values.size) { "${values.size} numbers for ${shape.joinToString(" × ")}" }
    val data = buffer(8 * values.size)
    data.asLongBuffer().put(values)
    return Tensor("int64", shape, data)
}

/** A float32 tensor's numbers. */
fun floats(tensor: Tensor): FloatArray {
    require(tensor.dtype == "float32") { "the tensor is ${tensor.dtype}, not float32" }
    val numbers = tensor.data.duplicate().order(ByteOrder.nativeOrder()).asFloatBuffer()
    return FloatArray(numbers.remaining()).also { numbers.get(it) }
}

/** A tensor's numbers, whatever their dtype. */
fun numbers(tensor: Tensor): DoubleArray {
    val data = tensor.data.duplicate().order(ByteOrder.nativeOrder())
    val size = SIZES.getValue(tensor.dtype)
    val at: (Int) -> Double = when (tensor.dtype) {
        "float32" -> { index -> data.getFloat(index).toDouble() }
        "float64" -> data::getDouble
        "float16" -> { index -> half(data.getShort(index).toInt()) }
        "bfloat16" -> { index -> Float.fromBits(data.getShort(index).toInt() shl 16).toDouble() }
        "int64" -> { index -> data.getLong(index).toDouble() }
        "int32" -> { index -> data.getInt(index).toDouble() }
        "int16" -> { index -> data.getShort(index).toDouble() }
        "uint16" -> { index -> data.getShort(index).toUShort().toDouble() }
        "int8" -> { index -> data.get(index).toDouble() }
        "uint8", "bool" -> { index -> data.get(index).toUByte().toDouble() }
        else -> throw IllegalArgumentException("${tensor.dtype} cannot be read as numbers here")
    }
    return DoubleArray(data.remaining() / size) { at(data.position() + it * size) }
}

/** IEEE 754's binary16, which the JVM does not know before 20: a sign, 5 bits of exponent, 10 of fraction. */
private fun half(bits: Int): Double {
    val fraction = (bits and 0x3FF).toDouble()
    val size = when (val exponent = (bits shr 10) and 0x1F) {
        0 -> Math.scalb(fraction, -24)
        0x1F -> if (fraction == 0.0) Double.POSITIVE_INFINITY else Double.NaN
        else -> Math.scalb(1024 + fraction, exponent - 25)
    }
    return if (bits and 0x8000 == 0) size else -size
}
