/** Warm-up and sampling; the same algorithm, to the letter, as in apps/agents/python/agent.py. */
package edgeship.bench

import kotlin.math.abs
import kotlin.math.pow

/** Numbers one after another without a box for each: garbage would be collected in the middle of a sample. */
class Samples {
    private var numbers = LongArray(1024)
    var size = 0
        private set

    fun add(number: Long) {
        if (size == numbers.size) numbers = numbers.copyOf(2 * size)
        numbers[size++] = number
    }

    fun toList(): List<Long> = numbers.take(size)

    /** The upper median; null where there are none. */
    fun median(): Long? = toList().sorted().getOrNull(size / 2)
}

/** How warm-up ended: steady, min or max_time. */
class WarmUp(val samples: Samples, val stop: String)

private const val FAST = 0.1
private const val SLOW = 0.005
private const val NEAR = 0.04
private const val AGREEING = 40
private const val FEWEST = 3L

/**
 * Call [sample] (it answers nanoseconds) until it is steady: two exponential averages of rate 0.1 and 0.005, each corrected
 * for its start, within 4% of one another more than 40 times in a row (adaptive), or the limits.
 */
fun warmUp(stop: Stop, sample: () -> Long): WarmUp {
    val samples = Samples()
    var fast = 0.0
    var slow = 0.0
    var elapsed = 0L
    var agreeing = 0
    while (true) {
        val enough = samples.size >= stop.minIters && elapsed >= stop.minNs
        if (stop.adaptive && enough && agreeing > AGREEING) return WarmUp(samples, "steady")
        if (!stop.adaptive && enough) return WarmUp(samples, "min")
        // a slow model may spend the whole time on fewer than min_iters, but never on fewer than 3
        val late = elapsed >= stop.maxNs && samples.size >= minOf(stop.minIters, FEWEST)
        if (late || (stop.maxIters != null && samples.size >= stop.maxIters)) return WarmUp(samples, "max_time")
        val taken = sample()
        samples.add(taken)
        elapsed += taken
        fast += FAST * (taken - fast)
        slow += SLOW * (taken - slow)
        val a = fast / (1 - (1 - FAST).pow(samples.size))
        val b = slow / (1 - (1 - SLOW).pow(samples.size))
        agreeing = if (abs(a - b) <= NEAR * b) agreeing + 1 else 0
    }
}

/** At least one; then min_iters and min_ns, unless max_ns or max_iters comes first. */
fun finished(count: Long, elapsedNs: Long, stop: Stop): Boolean {
    if (count == 0L) return false
    if (elapsedNs >= stop.maxNs || (stop.maxIters != null && count >= stop.maxIters)) return true
    return count >= stop.minIters && elapsedNs >= stop.minNs
}

/** Nanoseconds of so many calls. */
inline fun timed(clock: Clock, repeat: Long = 1, call: () -> Unit): Long {
    val start = clock.nowNs()
    for (count in 0 until repeat) call()
    return clock.nowNs() - start
}
