/** The wrappers that `edgeship codegen` writes of the bundles of examples/digits, with the contract in the graph, too. */
package edgeship.engine

import edgeship.bundle.Artifact
import edgeship.bundle.Device
import edgeship.bundle.Loaded
import edgeship.bundle.anchor
import edgeship.bundle.verify
import edgeship.contract.Picture
import edgeship.contract.classified
import edgeship.contract.softmax
import edgeship.generated.Digits
import edgeship.generated.DigitsBytes
import edgeship.generated.DigitsBytesGolden
import edgeship.generated.DigitsGolden
import java.io.File
import java.nio.file.Files
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals

class WrapperTest {
    private val data = File(System.getProperty("edgeship.data"))
    private val engine = OnnxEngine()
    private val folder = Files.createTempDirectory("edgeship").toFile()
    private val bundle = verified("digits")
    private val bytes = verified("digits-bytes", "bytes")

    private fun verified(name: String, file: String = name) = verify(
        File(data, "$file.zip"), anchor(File(data, "root.json").readBytes()),
        Device(now = "2026-01-01T00:00:00Z", compatible = name, runtimes = mapOf(engine.runtime to engine.version)),
    )

    @AfterTest
    fun clear() {
        folder.deleteRecursively()
    }

    @Test
    fun `golden samples and a picture are as in Python`() {
        assertEquals(emptyList(), DigitsGolden(bundle, engine, File(data, "kotlin/digits/golden")).differences(folder))
        assertEquals(emptyList(), DigitsBytesGolden(bytes, engine, File(data, "kotlin/bytes/golden")).differences(folder))
    }

    @Test
    fun `pictures of digits are classified as the samples that they were made of`() {
        Digits.open(bundle, engine, folder).use { digits ->
            val artifact = Digits.artifact(bundle, engine)
            val agree = (0 until artifact.samples).count { sample ->
                val expected = floats(artifact.outputs(sample).single())
                val best = digits.predict(picture(artifact.inputs(sample).single())).best().single()
                best.label == "${expected.indices.maxBy(expected::get)}"
            }
            println("$agree of ${artifact.samples} pictures of digits classified as their samples")
            assertEquals(artifact.samples, agree)
        }
    }

    @Test
    fun `a file that takes bytes answers the probabilities of the one that takes numbers`() {
        val artifact = Digits.artifact(bundle, engine)
        val numbered = Digits.open(bundle, engine, File(folder, "digits"))
        val folded = DigitsBytes.open(bytes, engine, File(folder, "bytes"))
        for (sample in 0 until artifact.samples) {
            val picture = picture(artifact.inputs(sample).single())
            val (wanted, found) = numbered.predict(picture) to folded.predict(picture)
            assertEquals(wanted.best().single().label, found.best().single().label)
            for ((one, other) in softmax(floats(wanted.logits)).zip(floats(found.logits).asIterable())) assertEquals(one, other, TOLERANCE)
        }
        numbered.close()
        folded.close()
    }

    @Test
    fun `an app classifies a picture by either file as its wrapper does`() {
        val picture = picture(Digits.artifact(bundle, engine).inputs(0).single())
        val wanted = Digits.open(bundle, engine, File(folder, "wrapper")).use { it.predict(picture).best(CLASSES) }
        for (bundle in listOf(bundle, bytes)) {
            val artifact = Artifact(bundle, bundle.artifacts.single())
            artifact.open(engine, File(folder, artifact.name), threads = 1).use { model ->
                val found = Loaded(bundle, artifact, model, null).classified(picture, CLASSES)
                assertEquals(wanted.first().label, found.first().label)
                assertEquals(wanted.first().score, found.first().score, TOLERANCE)
                assertEquals(1f, found.map { it.score }.sum(), TOLERANCE)
            }
        }
    }

    /** A sample's numbers from 0 to 1 as grey pixels. */
    private fun picture(sample: Tensor): Picture {
        val values = floats(sample)
        return Picture(ByteArray(4 * values.size) { Math.round(255 * values[it / 4]).toByte() }, SIDE, SIDE)
    }

    private companion object {
        const val SIDE = 32
        const val CLASSES = 10
        const val TOLERANCE = 1e-5f
    }
}
