/** Which jobs this agent does, and how it refuses the others: apps/protocol/README.md. */
package edgeship.bench

const val VERSION = "1"

private val MODES = listOf("verify", "latency", "throughput", "sustained", "cold", "memory", "rounds")

/** The fields that a job may list in `requires`. */
private val FIELDS = listOf(
    "outputs", "capture", "feedback", "runtime.options", "runtime.threads",
    "config.warmup", "config.measure", "config.interval_ns", "config.concurrency",
)
private val STREAMS = 1..256

/** Which field of a job this agent cannot do, and what it can; null where it can do the job. */
fun refusal(job: Job, runtimes: List<Runtime>): String? {
    val config = job.config
    val runtime = runtimes.firstOrNull { it.name == job.runtime.name }
    val streams = if (config.mode == "sustained") STREAMS.toList() else listOf(1)
    val asked = listOf(
        Triple("schema", job.schema, listOf("bench-job/1")),
        Triple("runtime.name", job.runtime.name, runtimes.map { it.name }),
        Triple("runtime.backend", job.runtime.backend, runtime?.backends.orEmpty()),
        Triple("config.mode", config.mode, MODES),
        Triple("config.timed_region", config.timedRegion, listOf("invoke")),
        Triple("config.inputs", config.inputs, listOf("file")),
        Triple("config.concurrency", config.concurrency ?: 1, streams),
    ) + job.requires.map { Triple("requires", it, FIELDS) }
    val (field, value, can) = asked.firstOrNull { (_, value, can) -> value !in can } ?: return null
    return "$field: this agent cannot do $value (android $VERSION can: ${can.joinToString()})"
}
