/** From a job's file to a result's: what a launch of this agent does. */
package edgeship.bench

import java.io.File
import java.io.IOException
import java.nio.file.Files
import java.nio.file.StandardCopyOption
import java.time.Instant
import java.time.temporal.ChronoUnit
import java.util.UUID
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.JsonObject

/** There is no job to answer. */
class NoJob(message: String) : Exception(message)

/** The answer to [job], whose paths are relative to its folder; [NoJob] where it is no bench-job/1 that can be read. */
fun answer(job: File, runtimes: List<Runtime>, machine: Machine, progress: Progress = Progress {}): Result {
    val (asked, config) = try {
        val about = MESSAGES.parseToJsonElement(job.readText()) as? JsonObject ?: throw SerializationException("not an object")
        MESSAGES.decodeFromJsonElement(Job.serializer(), about) to about.getValue("config") as JsonObject
    } catch (error: IOException) {
        throw NoJob("cannot read $job: ${error.message}")
    } catch (error: SerializationException) {
        throw NoJob("$job is not a bench-job/1: ${error.message}")
    }
    val started = utcNow()
    val why = refusal(asked, runtimes)
    val wanted = asked.runtime
    val session = runtimes.firstOrNull { it.name == wanted.name && why == null }
        ?.let { Session(asked, job.absoluteFile.parentFile, it, machine, progress) }
    val run = session?.execute() ?: Run(startedAt = started, error = RunError("start", why.orEmpty(), "UNSUPPORTED_JOB"))
    val inputs = asked.cases.first().map { TensorInfo(it.name, it.dtype, it.shape) }
    val artifact = asked.artifact
    return Result(
        schema = "bench-result/1",
        id = UUID.randomUUID().toString(),
        createdAt = started,
        labels = machine.labels,
        agent = machine.agent,
        device = machine.facts,
        artifact = ResultArtifact(
            artifact.format, artifact.sha256, artifact.size, artifact.name.ifEmpty { null }, inputs = inputs.takeIf { why == null },
        ),
        runtime = ResultRuntime(wanted.name, session?.version ?: "unknown", wanted.backend, wanted.threads, wanted.options),
        config = config,
        runs = listOf(run),
    )
}

/** Write under another name, then rename: a result that is there is complete. */
fun write(result: Result, file: File) {
    val part = File(file.path + ".part")
    part.outputStream().use {
        it.write(MESSAGES.encodeToString(Result.serializer(), result).toByteArray())
        it.fd.sync()
    }
    rename(part, file)
}

internal fun rename(part: File, file: File) {
    Files.move(part.toPath(), file.toPath(), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING)
}

internal fun utcNow(): String = Instant.now().truncatedTo(ChronoUnit.MILLIS).toString()
