/** A drawing as the digits of UCI's data set are made: 32 × 32 points of ink, counted in blocks of 4 × 4, enlarged again. */
package edgeship.app

import edgeship.contract.Picture
import kotlin.math.floor
import kotlin.math.roundToInt

const val SIDE = 32
private const val BLOCK = 4
private const val BLOCKS = SIDE / BLOCK

/** [ink]: [SIDE] rows of [SIDE] points → bright ink on dark ground, as examples/digits/data.py enlarges 8 × 8 counts. */
fun digit(ink: BooleanArray): Picture {
    require(ink.size == SIDE * SIDE) { "${ink.size} points" }
    val counts = FloatArray(BLOCKS * BLOCKS)
    ink.forEachIndexed { at, inked ->
        if (inked) counts[at / SIDE / BLOCK * BLOCKS + at % SIDE / BLOCK] += 1f / (BLOCK * BLOCK)
    }
    val grey = ByteArray(SIDE * SIDE) { (255 * between(counts, at = it / SIDE to it % SIDE)).roundToInt().toByte() }
    return Picture(ByteArray(4 * grey.size) { grey[it / 4] }, SIDE, SIDE)
}

/** Between the four nearest counts, whose places are the middles of their blocks. */
private fun between(counts: FloatArray, at: Pair<Int, Int>): Float {
    val (y, x) = listOf(at.first, at.second).map { ((it + 0.5) / BLOCK - 0.5).coerceIn(0.0, BLOCKS - 1.0) }
    fun row(row: Int): Double = mixed(x) { counts[row * BLOCKS + it].toDouble() }
    return mixed(y, ::row).toFloat()
}

private fun mixed(place: Double, value: (Int) -> Double): Double {
    val first = floor(place).toInt()
    val share = place - first
    return value(first) * (1 - share) + value(minOf(first + 1, BLOCKS - 1)) * share
}
