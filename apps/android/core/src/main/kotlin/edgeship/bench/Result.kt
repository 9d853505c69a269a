/** bench-result/1: what an agent answers; raw samples in nanoseconds, and null is unknown. The schema says the rest. */
package edgeship.bench

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonObject

@Serializable
data class Agent(
    val kind: String,
    val version: String,
    val build: String? = null,
    val gitCommit: String? = null,
    val importsTorch: Boolean? = null,
)

@Serializable
data class OperatingSystem(
    val name: String,
    val version: String? = null,
    val apiLevel: Int? = null,
    val build: String? = null,
)

@Serializable
data class Cluster(val cores: Int, val maxKhz: Long? = null, val part: String? = null)

@Serializable
data class Cpu(
    val arch: String,
    val cores: Int? = null,
    val clusters: List<Cluster>? = null,
    val features: List<String>? = null,
)

@Serializable
data class DeviceFacts(
    val profile: String? = null,
    val idHash: String? = null,
    val manufacturer: String? = null,
    val model: String? = null,
    val soc: String? = null,
    val os: OperatingSystem,
    val cpu: Cpu,
    val ram: Long? = null,
    val accelerators: List<String>? = null,
    val emulator: Boolean? = null,
    val emulatedBy: String? = null,
    val emulatedAs: String? = null,
    val rooted: Boolean? = null,
)

@Serializable
data class TensorInfo(val name: String? = null, val dtype: String, val shape: List<Long>)

@Serializable
data class ResultArtifact(
    val format: String,
    val sha256: String,
    val size: Long,
    val name: String? = null,
    val recipe: String? = null,
    val inputs: List<TensorInfo>? = null,
    val outputs: List<TensorInfo>? = null,
)

@Serializable
data class ResultRuntime(
    val name: String,
    val version: String,
    val backend: String,
    val threads: Int? = null,
    val options: JsonObject? = null,
    val placement: JsonObject? = null,
    val plannedBytes: Long? = null,
)

@Serializable
data class ClockFacts(val source: String, val resolution: Long)

/** Cold start in its parts. */
@Serializable
data class Cold(
    var processStart: Long? = null,
    var runtimeInit: Long? = null,
    var load: Long? = null,
    var prepare: Long? = null,
    var firstInference: Long? = null,
    var pageCache: String? = null,
    var compileCache: String? = null,
)

/** Counters of the system, in bytes by their names. */
@Serializable
data class Memory(
    var baseline: Map<String, Long>? = null,
    var loaded: Map<String, Long>? = null,
    var peak: Map<String, Long>? = null,
    var end: Map<String, Long>? = null,
    var peakMethod: String? = null,
    var limit: Long? = null,
)

/** The machine's state [t] nanoseconds after the run began; temperatures in degrees Celsius. */
@Serializable
data class Environment(
    val t: Long,
    val thermal: String? = null,
    val headroom: Double? = null,
    val socC: Double? = null,
    val skinC: Double? = null,
    val batteryC: Double? = null,
    val batteryPct: Double? = null,
    val charging: Boolean? = null,
    val powerSave: Boolean? = null,
    val cpuKhz: List<Long>? = null,
)

@Serializable
data class Window(val t: Long, val length: Long, val completed: Long)

@Serializable
data class OutputTensor(val name: String, val dtype: String, val shape: List<Long>, val offset: Long)

@Serializable
data class RunError(val phase: String, val message: String, val code: String? = null)

/** One launch; filled in step by step, so that what was measured before an error is told. */
@Serializable
data class Run(
    val index: Int = 0,
    val arm: String? = null,
    val order: Int? = null,
    val startedAt: String? = null,
    val clock: ClockFacts? = null,
    val cold: Cold? = null,
    var warmup: List<Long>? = null,
    var warmupStop: String? = null,
    var samples: List<Long>? = null,
    var iterationsPerSample: Long? = null,
    var window: Long? = null,
    var completed: Long? = null,
    var windows: List<Window>? = null,
    var memory: Memory? = null,
    var resident: List<Long>? = null,
    var env: List<Environment>? = null,
    val energy: JsonObject? = null,
    val check: JsonObject? = null,
    val ops: List<JsonObject>? = null,
    var outputs: List<List<OutputTensor>>? = null,
    var error: RunError? = null,
)

@Serializable
data class Validity(val valid: Boolean, val flags: List<String>)

@Serializable
data class Result(
    val schema: String,
    val id: String,
    val createdAt: String,
    val labels: Map<String, String>? = null,
    val agent: Agent,
    val transport: String? = null,
    val device: DeviceFacts,
    val artifact: ResultArtifact,
    val runtime: ResultRuntime,
    /** As the job has it, fields that this agent does not know included. */
    val config: JsonObject,
    val runs: List<Run>,
    val summary: JsonObject? = null,
    val validity: Validity? = null,
)
