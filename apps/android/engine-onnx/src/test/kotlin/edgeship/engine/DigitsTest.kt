/** The bundle of examples/digits through verification and real inference, against what Python answered. */
package edgeship.engine

import edgeship.bundle.Artifact
import edgeship.bundle.Device
import edgeship.bundle.anchor
import edgeship.bundle.sqnrDb
import edgeship.bundle.verify
import java.io.File
import java.nio.file.Files
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class DigitsTest {
    private val data = File(System.getProperty("edgeship.data"))

    @Test
    fun `all digits are classified as in Python`() {
        check(data.isDirectory) { "$data is missing: run `make android-data`" }
        val engine = OnnxEngine()
        val device = Device(now = NOW, compatible = "digits", runtimes = mapOf(engine.runtime to engine.version))
        val bundle = verify(File(data, "digits.zip"), anchor(File(data, "root.json").readBytes()), device)
        val artifact = Artifact(bundle, bundle.artifacts.single())
        val folder = Files.createTempDirectory("edgeship").toFile()
        val (expected, answered) = artifact.open(engine, folder, threads = 1).use { model ->
            (0 until artifact.samples).map { artifact.outputs(it) to model.run(artifact.inputs(it)) }.unzip()
        }
        folder.deleteRecursively()
        val agree = expected.zip(answered).count { (one, other) -> best(one) == best(other) }
        val sqnrDb = sqnrDb(expected.flatten(), answered.flatten())
        println("$agree of ${artifact.samples} digits classified as in Python by onnxruntime ${engine.version}, SQNR %.1f dB".format(sqnrDb))
        assertEquals(DIGITS, artifact.samples)
        assertEquals(artifact.samples, agree)
        assertTrue(sqnrDb >= artifact.minSqnrDb, "$sqnrDb dB, at least ${artifact.minSqnrDb}")
    }

    @Test
    fun `every Kotlin file belongs to a module that is compiled`() {
        val root = File("..").canonicalFile // Maven starts tests in the module's folder
        val files = root.walk().onEnter { it.name != "target" }.filter { it.extension == "kt" }.toList()
        val modules = Regex("<module>(.*)</module>").findAll(File(root, "pom.xml").readText()).map { it.groupValues[1] }.toSet()
        val places = setOf("main", "test", "onnx", "executorch", "litert").map { "src/$it/kotlin" }
        val strays = files.filterNot { file ->
            modules.any { module -> places.any { file.startsWith(File(root, "$module/$it")) } }
        }
        assertEquals(emptyList(), strays)
        println("${files.size} Kotlin files compiled")
    }

    private fun best(outputs: List<Tensor>): Int = floats(outputs.single()).let { numbers -> numbers.indices.maxBy(numbers::get) }

    private companion object {
        const val DIGITS = 599
        val NOW: String = java.time.Instant.now().truncatedTo(java.time.temporal.ChronoUnit.SECONDS).toString()
    }
}
