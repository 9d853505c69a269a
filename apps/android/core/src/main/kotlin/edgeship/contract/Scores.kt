/** What an app makes of a model's numbers. */
package edgeship.contract

import kotlin.math.exp
import kotlin.math.sqrt

/** A class; one without a label is called by its number. */
data class Score(val label: String, val index: Int, val score: Float)

/** Shares that add up to 1, computed in double. */
fun softmax(values: FloatArray): FloatArray {
    val most = values.max().toDouble()
    val powers = DoubleArray(values.size) { exp(values[it] - most) }
    val total = powers.sum()
    return FloatArray(values.size) { (powers[it] / total).toFloat() }
}

/** The [k] best, the best first; of equal scores the lower index comes first, and what is no number comes last. */
fun topK(values: FloatArray, k: Int, labels: List<String> = emptyList()): List<Score> {
    val best = values.indices.sortedWith { one, other -> order(values[one], values[other]) }.take(k)
    return best.map { Score(labels.getOrElse(it) { "$it" }, it, values[it]) }
}

/** Larger ones first. Float's own order has -0 below 0, and NaN above all numbers. */
private fun order(one: Float, other: Float): Int = when {
    one > other -> -1
    one < other -> 1
    else -> one.isNaN().compareTo(other.isNaN())
}

/** How alike two vectors point: 1 for the same direction. */
fun cosine(one: FloatArray, other: FloatArray): Float {
    var product = 0.0
    var squares = 0.0
    var others = 0.0
    for (index in one.indices) {
        product += one[index].toDouble() * other[index]
        squares += one[index].toDouble() * one[index]
        others += other[index].toDouble() * other[index]
    }
    return (product / sqrt(squares * others)).toFloat()
}
