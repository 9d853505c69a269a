/** Resizing as Pillow 13 does it, byte for byte: one axis after the other, in fixed point of 22 bits (docs/codegen.md). */
package edgeship.contract

import kotlin.math.PI
import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.cos
import kotlin.math.sin

/** Pillow's filters by the names that contracts have; [support] in pixels. */
enum class Interpolation(internal val support: Double, internal val weight: (Double) -> Double) {
    NEAREST(0.0, { 0.0 }),
    BOX(0.5, { if (it > -0.5 && it <= 0.5) 1.0 else 0.0 }),
    BILINEAR(1.0, { if (abs(it) < 1) 1 - abs(it) else 0.0 }),
    HAMMING(1.0, ::hamming),
    BICUBIC(2.0, ::bicubic),
    LANCZOS(3.0, { if (it >= -3 && it < 3) sinc(it) * sinc(it / 3) else 0.0 }),
}

private const val PRECISION_BITS = 32 - 8 - 2
private const val HALF = 1 shl (PRECISION_BITS - 1)
private const val A = -0.5
private const val HAMMING = 0.54f
private const val COSINE = 0.46f

private fun sinc(x: Double): Double = if (x == 0.0) 1.0 else sin(x * PI) / (x * PI)

private fun hamming(signed: Double): Double {
    val x = abs(signed) * PI
    return when {
        x == 0.0 -> 1.0
        abs(signed) >= 1 -> 0.0
        else -> sin(x) / x * (HAMMING + COSINE * cos(x))
    }
}

private fun bicubic(signed: Double): Double {
    val x = abs(signed)
    return when {
        x < 1 -> ((A + 2) * x - (A + 3)) * x * x + 1
        x < 2 -> (((x - 5) * x + 8) * x - 4) * A
        else -> 0.0
    }
}

/** This plane with another size. */
internal fun Plane.resized(width: Int, height: Int, filter: Interpolation): Plane {
    if (filter == Interpolation.NEAREST) return nearest(width, height)
    val columnsFirst = this.height - height > maxOf(0, 2 * (this.width - width))
    return if (columnsFirst) high(height, filter).wide(width, filter) else wide(width, filter).high(height, filter)
}

private fun Plane.wide(width: Int, filter: Interpolation): Plane =
    if (width == this.width) this else alongRows(taps(this.width, width, filter))

private fun Plane.high(height: Int, filter: Interpolation): Plane =
    if (height == this.height) this else alongColumns(taps(this.height, height, filter))

private fun Plane.nearest(width: Int, height: Int): Plane {
    val columns = places(this.width, width)
    val rows = places(this.height, height)
    return Plane(width, height).also { made ->
        for (y in 0 until height) for (x in 0 until width) made[x, y] = this[columns[x], rows[y]]
    }
}

/** Which pixel is the nearest; added up step by step, as Pillow does, with its roundings. */
private fun places(from: Int, to: Int): IntArray {
    val step = from.toDouble() / to
    var at = step * 0.5
    return IntArray(to) { at.toInt().also { at += step } }
}

/** The weights of the pixels from [first] on that make one new pixel. */
private class Taps(val first: Int, val weights: IntArray)

private fun taps(from: Int, to: Int, filter: Interpolation): List<Taps> {
    val scale = from.toDouble() / to
    val stretch = maxOf(scale, 1.0)
    val support = filter.support * stretch
    return List(to) { place ->
        val centre = (place + 0.5) * scale
        val first = maxOf((centre - support + 0.5).toInt(), 0)
        val end = minOf((centre + support + 0.5).toInt(), from)
        val weights = DoubleArray(end - first) { filter.weight((it + first - centre + 0.5) * (1.0 / stretch)) }
        val total = weights.sum()
        Taps(first, IntArray(weights.size) { fixed(if (total != 0.0) weights[it] / total else weights[it]) })
    }
}

private fun fixed(weight: Double): Int = ((if (weight < 0) -0.5 else 0.5) + weight * (1 shl PRECISION_BITS)).toInt()

private fun Plane.alongRows(taps: List<Taps>): Plane = Plane(taps.size, height).also { made ->
    for (y in 0 until height) taps.forEachIndexed { x, tap -> made[x, y] = mixed(tap) { this[it, y] } }
}

private fun Plane.alongColumns(taps: List<Taps>): Plane = Plane(width, taps.size).also { made ->
    taps.forEachIndexed { y, tap -> for (x in 0 until width) made[x, y] = mixed(tap) { this[x, it] } }
}

private inline fun mixed(taps: Taps, pixel: (Int) -> Int): Int {
    var sum = HALF
    for (index in taps.weights.indices) sum += pixel(taps.first + index) * taps.weights[index]
    return (sum shr PRECISION_BITS).coerceIn(0, 255)
}
