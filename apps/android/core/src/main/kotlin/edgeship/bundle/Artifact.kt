/** One artifact of a verified bundle: its files put where a runtime can open them, and its golden samples. */
package edgeship.bundle

import edgeship.engine.Engine
import edgeship.engine.Model
import edgeship.engine.Tensor
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.OutputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.log10
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** [open] wants a folder of this artifact's own: those of others have files of the same names. */
class Artifact(private val bundle: Verified, private val about: JsonObject) {
    val name: String = about.text("name")
    val runtime: String = about.member("runtime").text("name")

    /** Least SQNR of a device's answers against the golden ones. */
    val minSqnrDb: Double = (about["min_sqnr_db"] as JsonPrimitive).content.toDouble()

    /** Write the files below [folder] under their names, and load them; [Refused]: file-digest. */
    fun open(engine: Engine, folder: File, threads: Int): Model {
        for (file in about.members("files")) {
            val place = File(folder, file.text("path"))
            place.parentFile.mkdirs()
            place.outputStream().use { copy(file.text("sha256"), it) }
        }
        val options = about.member("runtime").member("options")["config"] as? JsonObject
        val texts = options.orEmpty().mapValues { (it.value as JsonPrimitive).content }
        return engine.open(File(folder, about.text("entry")), threads, texts)
    }

    private val golden = mutableMapOf<String, ByteArray>()

    /** How many golden samples there are. */
    val samples: Int = bundle.manifest.member("golden").number("samples").toInt()

    /** One golden sample's inputs by name. */
    fun inputs(sample: Int): Map<String, Tensor> = tensors(bundle.manifest.member("golden").member("inputs"), sample)

    /** What this file answered to it on the machine that made the bundle. */
    fun outputs(sample: Int): Map<String, Tensor> =
        tensors(bundle.manifest.member("golden").member("outputs").member(name), sample)

    /** Only bytes that are those that were verified: a file may have changed since. */
    private fun copy(sha256: String, target: OutputStream) {
        val found = bundle.files.open("files/$sha256").use { copyHashed(it, target) }
        if (found != sha256) throw Refused(Reason.FILE_DIGEST, "files/$sha256")
    }

    private fun tensors(about: JsonObject, sample: Int): Map<String, Tensor> =
        about.mapValues { (_, value) -> tensor(value as JsonObject, sample) }

    private fun tensor(about: JsonObject, sample: Int): Tensor {
        val shape = about.list("shape").map { (it as JsonPrimitive).content.toLong() }
        val all = golden.getOrPut(about.text("sha256")) {
            ByteArrayOutputStream().also { copy(about.text("sha256"), it) }.toByteArray()
        }
        val bytes = all.size / shape[0].toInt()
        val data = ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())
        data.put(all, sample * bytes, bytes).flip()
        return Tensor(about.text("dtype"), shape.drop(1).toLongArray(), data)
    }
}

/** Signal to quantization noise of float32 answers against those expected, in dB; infinite where they are equal. */
fun sqnrDb(expected: List<Tensor>, answered: List<Tensor>): Double {
    val pairs = expected.zip(answered).flatMap { (one, other) -> floats(one).zip(floats(other)) }
    val signal = pairs.sumOf { (one, _) -> one.toDouble() * one }
    val noise = pairs.sumOf { (one, other) -> (one.toDouble() - other) * (one.toDouble() - other) }
    return 10 * log10(signal / noise)
}

/** A float32 tensor's numbers. */
fun floats(tensor: Tensor): List<Float> {
    require(tensor.dtype == "float32") { tensor.dtype }
    val numbers = tensor.data.duplicate().order(ByteOrder.nativeOrder()).asFloatBuffer()
    return List(numbers.remaining()) { numbers.get(it) }
}
