/** A picture as an app has it: 8 bits of red, green, blue and alpha, and how it was turned. */
package edgeship.contract

/** Rows of pixels, [strideBytes] apart: red, green, blue, not premultiplied, and alpha, which is dropped. [orientation]: EXIF's. */
class Picture(
    val rgba: ByteArray,
    val width: Int,
    val height: Int,
    val strideBytes: Int = 4 * width,
    val orientation: Int = 1,
) {
    init {
        require(width > 0 && height > 0 && strideBytes >= 4 * width) { "$width × $height pixels in rows of $strideBytes bytes" }
        require(rgba.size >= strideBytes * (height - 1) + 4 * width) { "${rgba.size} bytes for $height rows of $strideBytes" }
        require(orientation in 1..8) { "EXIF knows no orientation $orientation" }
    }

    /** Turned as it should be seen, as planes: red, green and blue. */
    internal fun planes(): List<Plane> {
        val (columns, rows) = if (orientation <= 4) width to height else height to width
        val planes = List(3) { Plane(columns, rows) }
        for (y in 0 until rows) {
            for (x in 0 until columns) {
                val at = source(x, y)
                planes.forEachIndexed { channel, plane -> plane[x, y] = rgba[at + channel].toInt() and 0xff }
            }
        }
        return planes
    }

    /** Where in [rgba] the pixel is that is seen at this place. */
    private fun source(x: Int, y: Int): Int {
        val column = when (orientation) {
            1, 4 -> x
            2, 3 -> width - 1 - x
            5, 6 -> y
            else -> width - 1 - y
        }
        val row = when (orientation) {
            1, 2 -> y
            3, 4 -> height - 1 - y
            5, 8 -> x
            else -> height - 1 - x
        }
        return row * strideBytes + 4 * column
    }
}

/** One channel, 0–255. */
internal class Plane(val width: Int, val height: Int) {
    private val values = ByteArray(width * height)

    operator fun get(x: Int, y: Int): Int = values[y * width + x].toInt() and 0xff

    operator fun set(x: Int, y: Int, value: Int) {
        values[y * width + x] = value.toByte()
    }
}

/** What Pillow's convert("L") gives of red, green and blue (ITU-R 601-2). */
internal fun grey(planes: List<Plane>): Plane {
    val (red, green, blue) = planes
    val made = Plane(red.width, red.height)
    for (y in 0 until made.height) {
        for (x in 0 until made.width) made[x, y] = (19595 * red[x, y] + 38470 * green[x, y] + 7471 * blue[x, y] + 0x8000) shr 16
    }
    return made
}
