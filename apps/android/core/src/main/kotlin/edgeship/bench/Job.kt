/** bench-job/1: what an agent is asked. The schema in apps/protocol says what each field means. */
package edgeship.bench

import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonNamingStrategy
import kotlinx.serialization.json.JsonObject

/** Messages as they are written: names in snake case, unknown keys ignored, absent ones left out. */
@OptIn(ExperimentalSerializationApi::class)
val MESSAGES = Json {
    namingStrategy = JsonNamingStrategy.SnakeCase
    ignoreUnknownKeys = true
    explicitNulls = false
    encodeDefaults = true
}

@Serializable
data class Stop(
    val minIters: Long = 0,
    val minNs: Long = 0,
    val maxNs: Long = 0,
    val maxIters: Long? = null,
    val adaptive: Boolean = false,
)

/** One tensor's raw little-endian bytes at [offset] of [path], relative to the job's folder. */
@Serializable
data class TensorFile(val name: String, val dtype: String, val shape: List<Long>, val path: String, val offset: Long = 0)

@Serializable
data class JobArtifact(val format: String, val path: String, val sha256: String, val name: String = "", val size: Long = 0)

@Serializable
data class JobFile(val path: String, val sha256: String, val size: Long)

@Serializable
data class JobRuntime(
    val name: String,
    val backend: String = "cpu",
    val threads: Int = 1,
    val options: JsonObject = JsonObject(emptyMap()),
)

@Serializable
data class Config(
    val mode: String,
    val warmup: Stop = Stop(),
    val measure: Stop = Stop(),
    val processes: Int = 1,
    val intervalNs: Long? = null,
    val batch: Int = 1,
    val concurrency: Int? = null,
    val inputs: String = "file",
    val seed: Long? = null,
    val timedRegion: String = "invoke",
    val memorySamplingNs: Long? = null,
    val pinCpus: List<Int>? = null,
)

@Serializable
data class Job(
    val schema: String,
    val id: String,
    val requires: List<String> = emptyList(),
    val artifact: JobArtifact,
    val runtime: JobRuntime,
    val files: List<JobFile> = emptyList(),
    val config: Config,
    val cases: List<List<TensorFile>>,
    val outputs: List<String> = emptyList(),
    val capture: String? = null,
    val feedback: Map<String, String> = emptyMap(),
    val deadlineNs: Long = 600_000_000_000,
)
