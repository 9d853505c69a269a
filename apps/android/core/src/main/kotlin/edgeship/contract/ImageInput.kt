/** How a picture becomes an input: resize → centre crop → colour order → × scale → (− mean) / std → layout. */
package edgeship.contract

import edgeship.engine.Tensor
import edgeship.engine.buffer
import edgeship.engine.bytesOf
import edgeship.engine.tensorOf
import kotlin.math.round

/** Order of the channels; grey has one. */
enum class Colour { RGB, BGR, GREY }

/** Channels first (PyTorch) or last. */
enum class Layout { CHW, HWC }

/** Height and width in pixels. */
data class Size(val height: Int, val width: Int)

/** What a picture is made larger or smaller to. */
sealed interface Resize {
    /** The shorter side; the picture keeps its proportions. */
    data class Shorter(val pixels: Int) : Resize

    data class To(val size: Size) : Resize
}

/** The plain numbers of a contract's `ImageInput`; [mean] and [std] have one value, or one for each channel. */
class ImageInput(
    val resize: Resize? = null,
    val crop: Size? = null,
    val interpolation: Interpolation = Interpolation.BILINEAR,
    val colour: Colour = Colour.RGB,
    val scale: Double = 1.0 / 255,
    val mean: List<Double> = listOf(0.0),
    val std: List<Double> = listOf(1.0),
    val layout: Layout = Layout.CHW,
) {
    /** One picture → float32 [C, H, W], or [H, W, C]. */
    fun apply(picture: Picture): Tensor {
        val planes = made(picture)
        val (height, width) = planes.first().height to planes.first().width
        val values = FloatArray(planes.size * height * width)
        planes.forEachIndexed { channel, plane ->
            val mean = mean[minOf(channel, mean.lastIndex)].toFloat()
            val std = std[minOf(channel, std.lastIndex)].toFloat()
            for (y in 0 until height) {
                for (x in 0 until width) {
                    val place = if (layout == Layout.CHW) (channel * height + y) * width + x else (y * width + x) * planes.size + channel
                    values[place] = (plane[x, y] * scale.toFloat() - mean) / std
                }
            }
        }
        val shape = if (layout == Layout.CHW) listOf(planes.size, height, width) else listOf(height, width, planes.size)
        return tensorOf(values, *shape.map(Int::toLong).toLongArray())
    }

    /** One picture → uint8 [H, W, C], of a model that does the arithmetic in its graph. */
    fun bytes(picture: Picture): Tensor {
        val planes = made(picture)
        val (height, width) = planes.first().height to planes.first().width
        val shape = longArrayOf(height.toLong(), width.toLong(), planes.size.toLong())
        val data = buffer(bytesOf("uint8", shape))
        for (y in 0 until height) {
            for (x in 0 until width) planes.forEach { data.put(it[x, y].toByte()) }
        }
        return Tensor("uint8", shape, data.flip())
    }

    /** All but the numbers: of the model's size, channels in its order. */
    private fun made(picture: Picture): List<Plane> {
        val seen = picture.planes().let { if (colour == Colour.GREY) listOf(grey(it)) else it }
        return seen.map { cropped(resized(it)) }.let { if (colour == Colour.BGR) it.reversed() else it }
    }

    private fun resized(plane: Plane): Plane {
        val size = when (resize) {
            null -> return plane
            is Resize.To -> resize.size
            is Resize.Shorter -> shorter(plane, resize.pixels)
        }
        return plane.resized(size.width, size.height, interpolation)
    }

    private fun shorter(plane: Plane, pixels: Int): Size {
        val side = minOf(plane.width, plane.height)
        return Size(pixels * plane.height / side, pixels * plane.width / side)
    }

    /** From the centre; black where the picture ends. */
    private fun cropped(plane: Plane): Plane {
        val (height, width) = crop ?: return plane
        val top = start(plane.height, height)
        val left = start(plane.width, width)
        return Plane(width, height).also { made ->
            for (y in maxOf(0, -top) until minOf(height, plane.height - top)) {
                for (x in maxOf(0, -left) until minOf(width, plane.width - left)) made[x, y] = plane[left + x, top + y]
            }
        }
    }

    /** torchvision's roundings, halves to even: it pads a smaller picture first, then cuts. */
    private fun start(size: Int, wanted: Int): Int =
        if (size >= wanted) round((size - wanted) / 2.0).toInt() else -((wanted - size) / 2)
}
