/** A new bundle's golden samples on this machine: kept where they come near enough, else the one before is loaded. */
package edgeship.engine

import edgeship.bundle.Device
import edgeship.bundle.Refused
import edgeship.bundle.Slots
import edgeship.bundle.Stage
import edgeship.bundle.anchor
import edgeship.bundle.load
import edgeship.bundle.number
import java.io.File
import java.nio.file.Files
import java.time.Instant
import java.time.temporal.ChronoUnit
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class LoadingTest {
    private val data = File(System.getProperty("edgeship.data"))
    private val root = anchor(File(data, "root.json").readBytes())
    private val engine = OnnxEngine()
    private val now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString()
    private val device = Device(now, compatible = "digits", runtimes = mapOf(engine.runtime to engine.version))
    private val folder = Files.createTempDirectory("edgeship").toFile()
    private val slots = Slots(File(folder, "store"))

    @AfterTest
    fun clear() {
        folder.deleteRecursively()
    }

    private fun install(name: String) = slots.install(File(data, name), root, device).manifest.number("version")

    private fun load(engine: Engine = this.engine, device: Device = this.device) =
        slots.load(engine, device, File(folder, "files"), 1)

    /** Which version is loaded; its SQNR where it was tried. */
    private fun loaded(engine: Engine = this.engine): Pair<Long, Double?> =
        assertNotNull(load(engine)).let { it.model.close(); it.bundle.manifest.number("version") to it.sqnrDb }

    @Test
    fun `a bundle whose answers differ here is given up for the one before`() {
        assertNull(load())
        val first = install("digits.zip")
        val (version, sqnrDb) = loaded()
        assertEquals(first, version)
        assertTrue(assertNotNull(sqnrDb) > 30)
        assertEquals(first to null, loaded()) // found good, and not tried again
        install("sick.zip")
        assertEquals(first to null, loaded())
        assertEquals(Stage.GOOD, slots.state?.stage)
        val third = install("better.zip")
        assertEquals(third, loaded().first)
        println("a bundle that misses its golden samples here is given up, its successor kept")
    }

    @Test
    fun `what is installed goes on working after its key was revoked and after its expiry`() {
        val first = install("digits.zip")
        loaded()
        install("rotated.zip") // its root revokes the first one's key, and its answers differ here
        assertEquals(first to null, loaded())
        val late = Device("9999-01-01T00:00:00Z", compatible = "digits", runtimes = device.runtimes)
        assertNotNull(load(device = late)).model.close()
    }

    @Test
    fun `a file that rotted in its slot is not loaded`() {
        install("digits.zip")
        loaded()
        val file = File(slots.folder, "a/files").listFiles().orEmpty().maxBy(File::length)
        file.writeBytes(file.readBytes().also { it[it.size / 2]++ })
        assertEquals("file-digest", assertFailsWith<Refused> { load() }.reason.word)
    }

    @Test
    fun `a process that dies while it loads a bundle has used up its only try`() {
        val first = install("digits.zip")
        loaded()
        install("better.zip")
        val dying = object : Engine by engine {
            override fun open(load: Load): Model = throw InternalError("SIGABRT")
        }
        assertFailsWith<InternalError> { load(dying) }
        assertEquals(first to null, loaded())
    }
}
