/**
 * Two slots for bundles: a new one is put beside the one in use, tried once, and given up where it does not answer.
 *
 * state.json is the one truth, replaced whole: whatever moment the power goes, [Slots.start] finds a slot that worked, or
 * one that was never tried. What was begun and not ended is a slot that state.json does not name; the next install clears
 * it. The files are those of apps/board/slots.py. The bytes come from the app's store, or from the app's own client.
 */
package edgeship.bundle

import java.io.File
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.add
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray

private val SLOTS = listOf("a", "b")
private const val STATE = "state.json"
private const val ROOT = "root.json"

/** How far a bundle is trusted: never loaded, loaded and not heard of, found good. */
enum class Stage(val word: String) { NEW("new"), TRYING("trying"), GOOD("good") }

/** A slot and the version in it. */
data class Slot(val name: String, val version: Long)

/** Which slot is used, how far it is trusted, and what worked before it. */
data class State(val current: Slot, val stage: Stage, val before: Slot?)

/** What is installed is being tried, and nobody said yet whether it is good. */
class Busy : Exception("the bundle that is installed is being tried: say whether it is good, or start again")

/** A [folder] that holds two slots; nobody else writes there, and one thread at a time. */
class Slots(val folder: File, private val disk: Disk = RealDisk) {
    /** What is installed; null where nothing is yet. */
    val state: State?
        get() = File(folder, STATE).takeIf(File::exists)?.let { state(parse(it.readBytes())) }

    /**
     * Put a bundle beside the one that works; [Refused] where it may not be used, and what works stays as it is.
     *
     * [root] is the one that the app ships with; the newest that any bundle brought is kept and asked from then on. [Busy]
     * while the bundle that is installed is being tried. Files that the other slot has are linked, else copied.
     */
    fun install(bundle: File, root: Root, device: Device): Verified {
        var state = state
        if (state?.stage == Stage.TRYING) throw Busy()
        val trusted = newest(newer(root), tree(bundle), device.now)
        makeFolders(folder)
        replace(ROOT, trusted.data)
        val known = if (state == null) device else device.having(state.current.version)
        verify(bundle, trusted, known)
        if (state?.stage == Stage.NEW) state = back(state) // it was never loaded: it makes way
        val slot = SLOTS.first { it != state?.current?.name }
        copy(tree(bundle), slot)
        val found = verify(File(folder, slot), trusted, known)
        write(State(Slot(slot, found.manifest.number("version")), Stage.NEW, state?.current))
        return found
    }

    /**
     * The bundle to load now; one that was tried and never found good is given up for the one before it.
     *
     * The mark is on disk before this answers: a process that dies while it loads has used up the only try.
     */
    fun start(): File? {
        val state = state.let { if (it?.stage == Stage.TRYING) back(it) else it } ?: return null
        if (state.stage == Stage.NEW) write(state.copy(stage = Stage.TRYING))
        return File(folder, state.current.name)
    }

    /** What [start] gave answers as it should: it is the one to go back to. False where nothing is being tried. */
    fun foundGood(): Boolean {
        val state = state?.takeIf { it.stage == Stage.TRYING } ?: return false
        write(state.copy(stage = Stage.GOOD))
        return true
    }

    /** The root that an earlier bundle brought, where it is the newer one; one that has rotted counts for nothing. */
    fun newer(root: Root): Root {
        val kept = try {
            File(folder, ROOT).takeIf(File::exists)?.let { anchor(it.readBytes()) }
        } catch (rotted: Refused) {
            null
        }
        return if (kept != null && kept.version > root.version) kept else root
    }

    /** To the bundle that worked before; null where there was none. */
    private fun back(state: State): State? {
        if (state.before == null) {
            disk.delete(File(folder, STATE))
            disk.sync(folder)
            return null
        }
        return State(state.before, Stage.GOOD, null).also(::write)
    }

    private fun copy(files: Tree, slot: String) {
        val place = File(folder, slot)
        val other = File(folder, SLOTS.first { it != slot })
        clear(place)
        val there = if (other.isDirectory) tree(other) else Tree(emptyMap(), files.open)
        for (name in files.sizes.keys) {
            val file = File(place, name)
            makeFolders(file.parentFile)
            val same = name.startsWith("files/") && name in there.sizes && digest(there, name) == name.removePrefix("files/")
            if (same && disk.link(file, File(other, name))) continue
            files.open(name).use { disk.write(file, it) }
            disk.sync(file)
        }
        place.walk().filter(File::isDirectory).forEach(disk::sync)
        disk.sync(folder)
    }

    private fun makeFolders(folder: File) {
        if (folder.isDirectory) return
        makeFolders(folder.absoluteFile.parentFile)
        disk.makeFolder(folder)
    }

    private fun clear(place: File) = place.walkBottomUp().filter(File::exists).forEach(disk::delete)

    private fun write(state: State) = replace(STATE, document(state).toString().toByteArray())

    private fun replace(name: String, data: ByteArray) {
        val partial = File(folder, "$name.partial")
        disk.write(partial, data.inputStream())
        disk.sync(partial)
        disk.rename(partial, File(folder, name))
        disk.sync(folder)
    }
}

private fun document(state: State): JsonObject = buildJsonObject {
    put("current", state.current.name)
    put("version", state.current.version)
    put("stage", state.stage.word)
    if (state.before == null) {
        put("before", null as String?)
    } else {
        putJsonArray("before") {
            add(state.before.name)
            add(state.before.version)
        }
    }
}

private fun state(about: JsonObject): State {
    val stage = Stage.entries.first { it.word == about.text("stage") }
    val before = (about["before"] as? JsonArray)?.map { (it as JsonPrimitive).content }
    val current = Slot(about.text("current"), about.number("version"))
    return State(current, stage, before?.let { (name, version) -> Slot(name, version.toLong()) })
}
