/** A job out of a bundle's golden samples: what the benchmark screen runs, the same as one that a host sends. */
package edgeship.bench

import edgeship.bundle.Artifact
import java.io.File
import java.util.UUID

private const val SECOND_NS = 1_000_000_000L

/** Half a second to eight seconds of warm-up, then ten to twenty of measuring. */
val LATENCY = Config(
    mode = "latency",
    warmup = Stop(minIters = 10, minNs = SECOND_NS / 2, maxNs = 8 * SECOND_NS, adaptive = true),
    measure = Stop(minIters = 100, minNs = 10 * SECOND_NS, maxNs = 20 * SECOND_NS, maxIters = 100_000),
)

/** Written into [folder], with the artifact's files and its first golden sample; answers the job's file. */
fun writeJob(artifact: Artifact, folder: File, config: Config, threads: Int): File {
    artifact.write(File(folder, "files"))
    val inputs = artifact.inputs(0)
    val file = File(folder, "inputs.bin")
    var offset = 0L
    val case = file.outputStream().use { stream ->
        artifact.inputNames.zip(inputs) { name, tensor ->
            val data = ByteArray(tensor.data.remaining()).also { tensor.data.duplicate().get(it) }
            stream.write(data)
            TensorFile(name, tensor.dtype, tensor.shape.toList(), file.name, offset).also { offset += data.size }
        }
    }
    val job = Job(
        schema = "bench-job/1",
        id = UUID.randomUUID().toString(),
        artifact = JobArtifact(artifact.format, "files/${artifact.entry}", artifact.sha256, artifact.name, artifact.sizeBytes),
        runtime = JobRuntime(artifact.runtime, artifact.backend, threads, artifact.options),
        config = config,
        cases = listOf(case),
        outputs = artifact.outputNames,
    )
    return File(folder, "job.json").also { it.writeText(MESSAGES.encodeToString(Job.serializer(), job)) }
}
