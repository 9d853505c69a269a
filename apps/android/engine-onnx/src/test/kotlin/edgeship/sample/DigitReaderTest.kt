/** What docs/integrate-android.md shows, with the bundle of examples/digits and its generated wrapper. */
package edgeship.sample

import edgeship.bundle.Reason
import edgeship.contract.Picture
import java.io.File
import java.nio.file.Files
import kotlin.math.abs
import kotlin.math.hypot
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull

private const val SIDE = 60

class DigitReaderTest {
    private val data = File(System.getProperty("edgeship.data"))
    private val folder = Files.createTempDirectory("edgeship").toFile()

    @AfterTest
    fun clear() {
        folder.deleteRecursively()
    }

    private fun reader(root: String = "root.json") =
        DigitReader(File(folder, "files"), File(folder, "cache"), File(data, root).readBytes(), "arm64-v8a")

    /** Bright ink on dark ground, which is what the digits were. */
    private fun drawn(isInk: (Double, Double) -> Boolean): Picture {
        val rgba = ByteArray(4 * SIDE * SIDE)
        for (y in 0 until SIDE) {
            for (x in 0 until SIDE) {
                if (isInk(x - SIDE / 2.0 + 0.5, y - SIDE / 2.0 + 0.5)) rgba.fill(-1, 4 * (y * SIDE + x), 4 * (y * SIDE + x) + 4)
            }
        }
        return Picture(rgba, SIDE, SIDE)
    }

    @Test
    fun `a bundle is installed, tried and asked what was drawn`() {
        val reader = reader()
        assertNull(reader.open())
        assertNull(reader.install(File(data, "digits.zip")))
        // docs: predict
        val ring = drawn { x, y -> abs(hypot(x * 1.5, y) - 22) < 6 }
        reader.open()?.use { digits ->
            val best = digits.predict(ring).best().single()
            println("${best.label}, %.0f %%".format(100 * best.score))
            assertEquals("0", best.label)
        }
        // docs: end
        val stroke = drawn { x, y -> abs(x) < 5 && abs(y) < 27 }
        assertNotNull(reader.open()).use { assertEquals("1", it.predict(stroke).best().single().label) }
    }

    @Test
    fun `a later start finds what was good, and what is refused changes nothing`() {
        assertNull(reader().install(File(data, "digits.zip")))
        assertNotNull(reader().open()).close()
        val strange = assertNotNull(reader().install(File(data, "slots/five")))
        assertEquals(Reason.KEY_UNKNOWN, strange.reason)
        assertNull(reader().install(File(data, "sick.zip"))) // well signed, but its golden samples fail here
        assertNotNull(reader().open()).close()
    }
}
