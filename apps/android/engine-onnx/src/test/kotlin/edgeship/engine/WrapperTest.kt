/** The wrapper that `edgeship codegen` writes of the bundle of examples/digits. */
package edgeship.engine

import edgeship.bundle.Device
import edgeship.bundle.anchor
import edgeship.bundle.verify
import edgeship.contract.Picture
import edgeship.generated.Digits
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
    private val bundle = verify(
        File(data, "digits.zip"), anchor(File(data, "root.json").readBytes()),
        Device(now = "2026-01-01T00:00:00Z", compatible = "digits", runtimes = mapOf(engine.runtime to engine.version)),
    )

    @AfterTest
    fun clear() {
        folder.deleteRecursively()
    }

    @Test
    fun `golden samples and a picture are as in Python`() {
        assertEquals(emptyList(), DigitsGolden(bundle, engine, File(data, "kotlin/golden")).differences(folder))
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

    /** A sample's numbers from 0 to 1 as grey pixels. */
    private fun picture(sample: Tensor): Picture {
        val values = floats(sample)
        return Picture(ByteArray(4 * values.size) { Math.round(255 * values[it / 4]).toByte() }, SIDE, SIDE)
    }

    private companion object {
        const val SIDE = 32
    }
}
