/** Sound as a model's input, as the contract of its bundle says. */
package edgeship.contract

import edgeship.engine.Tensor
import edgeship.engine.tensorOf
import kotlin.math.sqrt

/** What a frame is divided by at least: silence stays silence. */
private const val SILENCE = 1e-10

/**
 * One frame of one channel, in double: × [scale], its mean subtracted ([centre]), divided by its standard deviation
 * ([level]). [frame]: samples of one input.
 */
class AudioInput(
    val sampleRateHz: Int,
    val frame: Int,
    val scale: Double = 1.0,
    val centre: Boolean = false,
    val level: Boolean = false,
) {
    /** Samples between -1 and 1 → float32 [frame]. */
    fun apply(samples: FloatArray): Tensor {
        require(samples.size == frame) { "${samples.size} samples where a frame has $frame" }
        val values = DoubleArray(frame) { samples[it] * scale }
        if (centre) {
            val mean = values.average()
            for (index in values.indices) values[index] -= mean
        }
        if (level) {
            val mean = values.average()
            val deviation = maxOf(SILENCE, sqrt(values.sumOf { (it - mean) * (it - mean) } / frame))
            for (index in values.indices) values[index] /= deviation
        }
        return tensorOf(FloatArray(frame) { values[it].toFloat() }, frame.toLong())
    }
}
