/** One artifact of a verified bundle: its files put where a runtime can open them, and its golden samples. */
package edgeship.bundle

import edgeship.engine.Engine
import edgeship.engine.Load
import edgeship.engine.Model
import edgeship.engine.Tensor
import edgeship.engine.buffer
import edgeship.engine.numbers
import edgeship.engine.run
import java.io.File
import kotlin.math.log10
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** [open] wants a folder of this artifact's own: those of others have files of the same names. */
class Artifact(private val bundle: Verified, private val about: JsonObject) {
    val name: String = about.text("name")
    val format: String = about.text("format")
    val sizeBytes: Long = about.number("size_bytes")
    val runtime: String = about.member("runtime").text("name")

    /** The runtime's own, as the file was made for. */
    val options: JsonObject = about.member("runtime")["options"] as? JsonObject ?: JsonObject(emptyMap())

    /** The first that is offered the file's operators. */
    val backend: String = about.member("runtime").members("backends").first().text("name")

    /** The path of what the runtime is given. */
    val entry: String = about.text("entry")

    /** The entry's digest; of a folder its first file's. */
    val sha256: String = about.members("files").first { it.text("path") == entry || it.text("path").startsWith("$entry/") }.text("sha256")

    /** The model's names, in its order. */
    val inputNames: List<String> = about.members("inputs").map { it.text("name") }
    val outputNames: List<String> = about.members("outputs").map { it.text("name") }

    /** By the inputs' names. */
    val inputTypes: Map<String, String> = about.members("inputs").associate { it.text("name") to it.text("dtype") }

    /** Least SQNR of a device's answers against the golden ones. */
    val minSqnrDb: Double = (about["min_sqnr_db"] as JsonPrimitive).content.toDouble()

    /** How many golden samples there are. */
    val samples: Int = bundle.manifest.member("golden").number("samples").toInt()

    private val golden = mutableMapOf<String, ByteArray>()

    /** Write the files below [folder] under their names, and load them; [Refused]: file-digest. */
    fun open(engine: Engine, folder: File, threads: Int): Model {
        write(folder)
        return engine.open(Load(File(folder, entry), inputNames, outputNames, threads, backend, options))
    }

    /** Write the files below [folder] under their names; [Refused]: file-digest. */
    fun write(folder: File) {
        for (file in about.members("files")) {
            val place = File(folder, file.text("path"))
            place.parentFile.mkdirs()
            place.outputStream().use { bundle.copy(file.text("sha256"), it) }
        }
    }

    /** One golden sample's inputs, in the model's order. */
    fun inputs(sample: Int): List<Tensor> {
        val about = bundle.manifest.member("golden").member("inputs")
        return inputNames.map { tensor(about.member(it), sample) }
    }

    /** What this file answered to it on the machine that made the bundle. */
    fun outputs(sample: Int): List<Tensor> {
        val about = bundle.manifest.member("golden").member("outputs").member(name)
        return outputNames.map { tensor(about.member(it), sample) }
    }

    /** What the golden samples say of a loaded file: its worst output's SQNR in dB; healthy from [minSqnrDb] on. */
    fun sqnrDb(model: Model): Double {
        val (expected, answered) = (0 until samples).map { outputs(it) to model.run(inputs(it)) }.unzip()
        require(answered.all { it.size == outputNames.size }) { "${outputNames.joinToString()}: there are other outputs" }
        return outputNames.indices.minOf { output -> sqnrDb(expected.map { it[output] }, answered.map { it[output] }) }
    }

    private fun tensor(about: JsonObject, sample: Int): Tensor {
        val shape = about.list("shape").map { (it as JsonPrimitive).content.toLong() }
        val all = golden.getOrPut(about.text("sha256")) { bundle.read(about.text("sha256")) }
        val bytes = all.size / shape[0].toInt()
        val data = buffer(bytes)
        data.put(all, sample * bytes, bytes).flip()
        return Tensor(about.text("dtype"), shape.drop(1).toLongArray(), data)
    }
}

/** Signal to quantization noise of one output's answers, in dB: ∞ where they are those expected, -∞ for what is no number. */
fun sqnrDb(expected: List<Tensor>, answered: List<Tensor>): Double {
    var signal = 0.0
    var noise = 0.0
    for ((one, other) in expected.zip(answered)) {
        require(one.shape.contentEquals(other.shape)) { "${other.shape.toList()} was answered for ${one.shape.toList()}" }
        for ((wanted, got) in numbers(one).zip(numbers(other).asIterable())) {
            signal += wanted * wanted
            noise += (wanted - got) * (wanted - got)
        }
    }
    if (noise == 0.0) return Double.POSITIVE_INFINITY // of zeros, too
    return (10 * log10(signal / noise)).let { if (it.isNaN()) Double.NEGATIVE_INFINITY else it }
}
