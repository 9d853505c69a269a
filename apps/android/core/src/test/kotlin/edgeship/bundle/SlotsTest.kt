/** Slots: updates that are cut short at any moment, versions, and tries that do not end well. */
package edgeship.bundle

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.nio.file.Files
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue

class SlotsTest {
    private val data = File(System.getProperty("edgeship.data"), "slots")
    private val root = anchor(File(data, "root.json").readBytes())
    private val device = Device(NOW, compatible = "digits")
    private val folder = Files.createTempDirectory("edgeship").toFile()

    @AfterTest
    fun clear() {
        folder.deleteRecursively()
    }

    /** With version 5, found good. */
    private fun store(name: String = "store") = Slots(File(folder, name)).apply {
        install(File(data, "five"), root, device)
        start()
        foundGood()
    }

    /** The version that is used after a restart, which must verify. */
    private fun used(slots: Slots): Long? = slots.start()?.let { verify(it, root, device).manifest.number("version") }

    @Test
    fun `an update is tried once and kept when it is good`() {
        val slots = store()
        slots.install(File(data, "six"), root, device)
        assertEquals(listOf<Long?>(6, 5), List(2) { used(slots) })
        slots.install(File(data, "six"), root, device)
        assertEquals(6, used(slots))
        assertTrue(slots.foundGood())
        assertEquals(listOf<Long?>(6, 6), List(2) { used(slots) })
        assertEquals("downgrade", assertFailsWith<Refused> { slots.install(File(data, "five"), root, device) }.reason.word)
    }

    @Test
    fun `a first bundle that never answers is given up`() {
        val slots = Slots(File(folder, "store"))
        assertNull(slots.start())
        slots.install(File(data, "five"), root, device)
        assertEquals(listOf<Long?>(5, null), List(2) { used(slots) })
    }

    @Test
    fun `only what was loaded is found good and what was never loaded makes way`() {
        val slots = store()
        slots.install(File(data, "six"), root, device)
        assertFalse(slots.foundGood()) // said of 5, which is still running
        slots.install(File(data, "six"), root, device)
        assertEquals(6, used(slots))
        assertFailsWith<Busy> { slots.install(File(data, "six"), root, device) } // its files are in use
        assertEquals(5, used(slots))
    }

    @Test
    fun `a key that a bundle revoked stays revoked`() {
        val slots = store()
        slots.install(File(data, "rotated"), root, device)
        assertEquals("key-revoked", assertFailsWith<Refused> { slots.install(File(data, "old-key"), root, device) }.reason.word)
    }

    @Test
    fun `a kept root that has rotted does not stop updates`() {
        val slots = store()
        slots.install(File(data, "rotated"), root, device)
        val kept = File(slots.folder, "root.json")
        kept.writeBytes(kept.readBytes().also { it[it.size / 2] = 0 })
        assertEquals(root.version, slots.newer(root).version)
        slots.install(File(data, "rotated"), root, device)
        assertTrue(slots.newer(root).version > root.version) // it is whole again
    }

    @Test
    fun `what a refused bundle's root revokes is revoked`() {
        val slots = store()
        val other = Device(NOW, compatible = "another product")
        assertEquals("incompatible", assertFailsWith<Refused> { slots.install(File(data, "rotated"), root, other) }.reason.word)
        assertEquals("key-revoked", assertFailsWith<Refused> { slots.install(File(data, "old-key"), root, device) }.reason.word)
    }

    @Test
    fun `what the other slot has is linked and copied where the system links nothing`() {
        val slots = store()
        slots.install(File(data, "six"), root, device)
        val names = File(slots.folder, "b/files").list().orEmpty()
        fun links(name: String) = Files.getAttribute(File(slots.folder, "b/files/$name").toPath(), "unix:nlink") as Int
        assertEquals(listOf(1, 2, 2, 2, 2), names.map(::links).sorted())
        val android = Slots(slots.folder, object : Disk by RealDisk {
            override fun link(file: File, existing: File) = false
        })
        android.install(File(data, "six"), root, device)
        assertEquals(listOf(1, 1, 1, 1, 1), names.map(::links))
        assertEquals(6, used(android))
    }

    @Test
    fun `a full disk leaves the slot in use`() {
        val slots = store()
        val full = Slots(slots.folder, object : Disk by RealDisk {
            override fun write(file: File, source: InputStream) = throw IOException("No space left on device")
        })
        assertFailsWith<IOException> { full.install(File(data, "six"), root, device) }
        assertEquals(5, used(slots))
    }

    @Test
    fun `the board's program reads the same state`() {
        val slots = store()
        assertEquals("""{"current":"a","version":5,"stage":"good","before":null}""", File(slots.folder, "state.json").readText())
        slots.install(File(data, "six"), root, device)
        assertEquals("""{"current":"b","version":6,"stage":"new","before":["a",5]}""", File(slots.folder, "state.json").readText())
    }

    @Test
    fun `killed after any change on the disk a device has a working slot`() = cutEverywhere(power = false)

    @Test
    fun `without power after any change on the disk a device has a working slot`() = cutEverywhere(power = true)

    private fun cutEverywhere(power: Boolean) {
        val versions = mutableListOf<Long?>()
        while (true) {
            val name = "store-${versions.size}"
            val slots = store(name)
            if (updated(slots, CutDisk(versions.size + 1, power))) break
            versions += used(slots)
        }
        val working = versions.count { it == 5L || it == 6L }
        println("$working/${versions.size} end in a working slot, ${if (power) "the power cut" else "killed"} after each change of an update")
        assertEquals(versions.size, working)
        assertTrue(versions.size > 30)
        assertEquals(setOf<Long?>(5, 6), versions.toSet())
    }

    /** Whether an update on this disk came to its end. */
    private fun updated(slots: Slots, disk: Disk): Boolean =
        try {
            val cut = Slots(slots.folder, disk)
            cut.install(File(data, "six"), root, device)
            cut.start()
            cut.foundGood()
        } catch (stopped: Stopped) {
            false
        }

    private companion object {
        const val NOW = "2026-11-30T12:00:00Z"
    }
}
