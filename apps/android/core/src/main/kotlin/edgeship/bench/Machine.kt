/** What measuring asks of the machine that it runs on: an app passes its own probes. */
package edgeship.bench

import java.io.File
import java.io.IOException

interface Clock {
    /** What is read, as a result names it. */
    val source: String

    fun nowNs(): Long
}

/** The JVM's and Android's monotonic clock. */
object SystemClock : Clock {
    override val source = "System.nanoTime"

    override fun nowNs(): Long = System.nanoTime()
}

interface MemoryProbe {
    /** Bytes by the names that bench-result/1 has for counters. */
    fun counters(): Map<String, Long>

    /** Make what is resident now the new peak, where the system lets us, and read the counters. */
    fun resetPeak(): Map<String, Long>
}

fun interface ThermalProbe {
    /** The machine's state, [atNs] after the run began; called at most once a second, never while a call is timed. */
    fun state(atNs: Long): Environment
}

/** The agent's name and build, what the device is, and its probes; [labels] go into every result. */
class Machine(
    val agent: Agent,
    val facts: DeviceFacts,
    val clock: Clock,
    val memory: MemoryProbe,
    val thermal: ThermalProbe?,
    /** From the start of the process to the first line of ours, where the system tells. */
    val processStartNs: Long? = null,
    val labels: Map<String, String>? = null,
)

private val COUNTERS =
    mapOf("VmRSS" to "vm_rss", "VmHWM" to "vm_hwm", "RssAnon" to "rss_anon", "RssFile" to "rss_file", "VmSwap" to "vm_swap")

/** The kernel's counters of this process, on Linux and Android. */
class ProcMemory(private val folder: File = File("/proc/self")) : MemoryProbe {
    override fun counters(): Map<String, Long> =
        File(folder, "status").readLines().mapNotNull { line ->
            val (key, value) = line.split(":", limit = 2).takeIf { it.size == 2 } ?: return@mapNotNull null
            COUNTERS[key]?.let { it to value.trim().substringBefore(" ").toLong() * KIB }
        }.toMap()

    override fun resetPeak(): Map<String, Long> {
        System.gc()
        try {
            File(folder, "clear_refs").writeText("5")
        } catch (error: IOException) {
            // where it may not be set, it is what is resident at this early point
        }
        return counters()
    }

    private companion object {
        const val KIB = 1024
    }
}

/** The smallest step seen between two readings, in nanoseconds. */
fun resolutionNs(clock: Clock): Long =
    (0 until READINGS).minOf {
        val before = clock.nowNs()
        var after = clock.nowNs()
        while (after == before) after = clock.nowNs()
        after - before
    }

private const val READINGS = 200
