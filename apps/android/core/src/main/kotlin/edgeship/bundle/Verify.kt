/** Whether a bundle may be used: everything that is looked at before a byte of it is loaded. */
package edgeship.bundle

import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.security.MessageDigest
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

const val MANIFEST = "manifest.json"
const val ENVELOPE = "manifest.dsse.json"
private const val MANIFEST_TYPE = "application/vnd.edgeship.bundle+json"
private val SCHEMA = Regex("edgeship-bundle/([0-9]{1,9})")
private const val SCHEMA_VERSION = 1
private const val BLOCK = 1 shl 20
private val DIGEST = Regex("[0-9a-f]{64}")
private val ROOT_FILE = Regex("roots/[1-9][0-9]{0,8}\\.json")
private val NUMBERS = Regex("[0-9]{1,9}(\\.[0-9]{1,9})*")

/** Where the bundle would be used; what is null or empty is not asked about. [now] in UTC: 2026-11-30T12:00:00Z. */
class Device(
    val now: String,
    val installed: Long? = null,
    val compatible: String? = null,
    val abi: String? = null,
    val runtimes: Map<String, String> = emptyMap(),
) {
    /** The same, with this version installed. */
    fun having(version: Long) = Device(now, version, compatible, abi, runtimes)
}

/** A bundle that may be used, and which artifacts this device can execute. */
class Verified(val manifest: JsonObject, val files: Tree, val artifacts: List<JsonObject>) {
    /** Only bytes that are those that were verified: a file may have changed since; [Refused]: file-digest. */
    fun copy(sha256: String, target: OutputStream) {
        val found = files.open("files/$sha256").use { copyHashed(it, target) }
        if (found != sha256) throw Refused(Reason.FILE_DIGEST, "files/$sha256")
    }

    /** A file's bytes; [Refused]: file-digest. */
    fun read(sha256: String): ByteArray = ByteArrayOutputStream().also { copy(sha256, it) }.toByteArray()
}

/** Look at a bundle; [Refused] with a reason that speaks against it. */
fun verify(bundle: File, trusted: Root, device: Device): Verified {
    require(isTime(device.now)) { "${device.now}: is not a time like 2026-11-30T12:00:00Z" }
    val files = tree(bundle)
    for (name in listOf(MANIFEST, ENVELOPE)) {
        if (name !in files.sizes) throw Refused(Reason.FILE_MISSING, name)
    }
    val root = newest(trusted, files, device.now)
    val envelope = decode(files.read(ENVELOPE))
    if (envelope.payloadType != MANIFEST_TYPE) throw Refused(Reason.PAYLOAD_TYPE, envelope.payloadType)
    check(envelope, root.bundle, root.revoked)
    if (!files.read(MANIFEST).contentEquals(envelope.payload)) throw Refused(Reason.MANIFEST_DIFFERS, MANIFEST)
    val manifest = manifest(envelope.payload)
    checkUse(manifest, device)
    checkFiles(manifest, files)
    return Verified(manifest, files, artifacts(manifest, device))
}

/**
 * Look at a bundle in its slot, which was verified when it came: whether its files are still what they were.
 *
 * Neither the clock nor a root is asked: what is installed goes on working after its expiry, and after its key was revoked;
 * only what comes next must not be old or theirs. [Refused] where a file has rotted, or for this device's runtimes and ABI.
 */
fun installed(slot: File, device: Device): Verified {
    val files = tree(slot)
    val manifest = manifest(files.read(MANIFEST))
    checkFiles(manifest, files)
    return Verified(manifest, files, artifacts(manifest, device))
}

/** What is read of a manifest, of the right types; [Refused]: schema-too-new, manifest-malformed, path-outside, too-large. */
private fun manifest(payload: ByteArray): JsonObject =
    try {
        parse(payload).also(::checkManifest)
    } catch (error: Malformed) {
        throw Refused(Reason.MANIFEST_MALFORMED, error.message.orEmpty())
    }

private fun checkManifest(about: JsonObject) {
    val schema = SCHEMA.matchEntire(about.text("schema")) ?: throw Malformed("schema")
    val number = schema.groupValues[1].toInt()
    if (number > SCHEMA_VERSION) throw Refused(Reason.SCHEMA_TOO_NEW, about.text("schema"))
    about.text("name")
    about.text("compatible")
    val roots = about.members("roots")
    val artifacts = about.members("artifacts")
    val used = listOf(about.members("licences"), about.member("golden").members("files")) + artifacts.map { it.members("files") }
    val files = about.members("files").map { it.text("sha256") }
    val sizes = about.members("files").map { it.number("size_bytes") }
    val sound = number == SCHEMA_VERSION &&
        isVersion(about.number("version")) &&
        isVersion(about.member("golden").number("samples")) &&
        isTime(about.text("expires_at")) &&
        (files + roots.map { it.text("sha256") }).all(DIGEST::matches) &&
        sizes.all { it in 0..MOST_NUMBER } &&
        files.toSet().size == files.size &&
        used.flatten().map { it.text("sha256") }.toSet() == files.toSet() &&
        roots.all { ROOT_FILE.matches(it.text("path")) }
    if (!sound) throw Malformed("manifest")
    artifacts.forEach(::checkArtifact)
    val paths = (used + listOf(roots)).map { group -> group.map { it.text("path") } }
    paths.flatten().firstOrNull { !isPlain(it) }?.let { throw Refused(Reason.PATH_OUTSIDE, it) }
    val entries = artifacts.map { it.text("entry") }.zip(paths.subList(2, 2 + artifacts.size))
    if (!paths.all(::fitTogether) || !entries.all { (entry, own) -> own.any { it == entry || it.startsWith("$entry/") } }) {
        throw Malformed("paths")
    }
    val total = sizes.sumOf { it.toBigInteger() }
    if (total > MOST_BYTES.toBigInteger()) throw Refused(Reason.TOO_LARGE, "$total bytes")
}

private fun checkArtifact(about: JsonObject) {
    about.text("name")
    about.texts("abis")
    about.text("entry")
    val limit = about["min_sqnr_db"] as? JsonPrimitive
    if (limit == null || limit.isString || limit.content.toDoubleOrNull() == null) throw Malformed("min_sqnr_db")
    if (about.number("size_bytes") !in 0..MOST_NUMBER) throw Malformed("size_bytes")
    val runtime = about.member("runtime")
    runtime.text("name")
    if (!NUMBERS.matches(runtime.text("minimum_version"))) throw Malformed("minimum_version")
}

private fun digests(manifest: JsonObject): Map<String, Long> =
    manifest.members("files").associate { it.text("sha256") to it.number("size_bytes") }

private fun checkUse(manifest: JsonObject, device: Device) {
    if (device.compatible != null && manifest.text("compatible") != device.compatible) {
        throw Refused(Reason.INCOMPATIBLE, manifest.text("compatible"))
    }
    if (manifest.text("expires_at") <= device.now) throw Refused(Reason.EXPIRED, manifest.text("expires_at"))
    val version = manifest.number("version")
    if (device.installed != null && version < device.installed) {
        throw Refused(Reason.DOWNGRADE, "$version, installed is ${device.installed}")
    }
}

/** That exactly the manifest's files and roots are there, as it says. */
private fun checkFiles(manifest: JsonObject, files: Tree) {
    val sizes = digests(manifest).mapKeys { "files/${it.key}" }.toSortedMap()
    val roots = manifest.members("roots").associate { it.text("path") to it.text("sha256") }
    val wanted = (sizes.keys.associateWith { it.removePrefix("files/") } + roots).toSortedMap()
    wanted.keys.firstOrNull { it !in files.sizes }?.let { throw Refused(Reason.FILE_MISSING, it) }
    val extra = files.sizes.keys - wanted.keys - setOf(MANIFEST, ENVELOPE)
    extra.minOrNull()?.let { throw Refused(Reason.FILE_EXTRA, it) }
    sizes.entries.firstOrNull { files.sizes[it.key] != it.value }?.let { throw Refused(Reason.FILE_SIZE, it.key) }
    wanted.entries.firstOrNull { digest(files, it.key) != it.value }?.let { throw Refused(Reason.FILE_DIGEST, it.key) }
}

/** The SHA-256 of a bundle's file; [Refused]: unreadable. */
internal fun digest(files: Tree, name: String): String =
    try {
        files.open(name).use { copyHashed(it, null) }
    } catch (error: IOException) {
        throw Refused(Reason.UNREADABLE, name)
    }

/** The SHA-256 of what a stream holds, written to [target] on the way. */
internal fun copyHashed(source: InputStream, target: OutputStream?): String {
    val found = MessageDigest.getInstance("SHA-256")
    val block = ByteArray(BLOCK)
    generateSequence { source.read(block).takeIf { it >= 0 } }.forEach {
        found.update(block, 0, it)
        target?.write(block, 0, it)
    }
    return found.digest().joinToString("") { byte -> "%02x".format(byte) }
}

/** Those that the device can execute, in the manifest's order. */
private fun artifacts(manifest: JsonObject, device: Device): List<JsonObject> {
    val runtimes = device.runtimes
    val wishes = listOf<Pair<Reason, (JsonObject) -> Boolean>>(
        Reason.RUNTIME_MISSING to { runtimes.isEmpty() || it.member("runtime").text("name") in runtimes },
        Reason.RUNTIME_TOO_OLD to { runtimes.isEmpty() || isNewEnough(it.member("runtime"), runtimes) },
        Reason.WRONG_ABI to { device.abi == null || it.texts("abis").isEmpty() || device.abi in it.texts("abis") },
    )
    return wishes.fold(manifest.members("artifacts")) { left, (reason, fits) ->
        left.filter(fits).ifEmpty { throw Refused(reason, left.joinToString(", ") { it.text("name") }) }
    }
}

private fun isNewEnough(runtime: JsonObject, versions: Map<String, String>): Boolean {
    val ours = numbers(versions.getValue(runtime.text("name")))
    val least = numbers(runtime.text("minimum_version"))
    for (index in 0 until maxOf(ours.size, least.size)) {
        val order = ours.getOrElse(index) { 0 }.compareTo(least.getOrElse(index) { 0 })
        if (order != 0) return order > 0
    }
    return true
}

/** By the numbers that a version begins with: 1.23 of 1.23-rc1 and of 1.23+cpu. */
private fun numbers(version: String): List<Long> =
    NUMBERS.matchAt(version, 0)?.value.orEmpty().split(".").map { it.toLongOrNull() ?: 0 }
