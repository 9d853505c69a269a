/**
 * Who may sign: a root that names keys and thresholds and can be replaced, as The Update Framework has it.
 *
 * Every signature in a bundle must be a named key's and must fit. The root that an app ships with is trusted because it is
 * there; it may also bear signatures of the root before it, which nobody can check any more.
 */
package edgeship.bundle

import kotlinx.serialization.json.JsonObject
import org.bouncycastle.crypto.params.Ed25519PublicKeyParameters
import org.bouncycastle.crypto.signers.Ed25519Signer

private const val ROOT_TYPE = "application/vnd.edgeship.root+json"
private const val ROOT_SCHEMA = "edgeship-root/1"
private const val KEY_BYTES = 32
private val TIME = Regex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
private val HEX = Regex("([0-9a-f]{2})*")

/** Keys by their ids, and how many of them must sign. */
class Role(val keys: Map<String, ByteArray>, val threshold: Long)

/** Who signs roots and who signs bundles. */
class Root(
    val version: Long,
    val expiresAt: String,
    val root: Role,
    val bundle: Role,
    val revoked: Set<String>,
    /** Its envelope: what a device keeps to start from the next time. */
    val data: ByteArray,
)

/** The root that an app ships with; [Refused]: root-malformed, root-signature. */
fun anchor(data: ByteArray): Root {
    val envelope = rootEnvelope(data)
    val root = parseRoot(envelope.payload, data)
    checkEnough(envelope, root)
    return root
}

/** The root at the end of the chain in a bundle's roots/; [Refused]: root-malformed, -signature, -version, -expired. */
fun newest(trusted: Root, bundle: Tree, now: String): Root {
    var root = trusted
    while (true) {
        val name = "roots/${root.version + 1}.json"
        if (name !in bundle.sizes) break
        val data = bundle.read(name)
        val envelope = rootEnvelope(data)
        checkEnough(envelope, root) // before anything in it is read
        val following = parseRoot(envelope.payload, data)
        if (following.version != root.version + 1) throw Refused(Reason.ROOT_VERSION, name)
        checkEnough(envelope, following)
        checkRoot(envelope, Role(root.root.keys + following.root.keys, 0))
        root = following
    }
    if (root.expiresAt <= now) throw Refused(Reason.ROOT_EXPIRED, "version ${root.version}, ${root.expiresAt}")
    return root
}

/**
 * That the role's keys signed, enough of them and none else; [Refused]: key-revoked, key-unknown, signature,
 * too-few-signatures.
 */
fun check(envelope: Envelope, role: Role, revoked: Set<String> = emptySet()) {
    for (signature in envelope.signatures) {
        if (signature.key in revoked) throw Refused(Reason.KEY_REVOKED, signature.key)
        val public = role.keys[signature.key] ?: throw Refused(Reason.KEY_UNKNOWN, signature.key)
        if (!fits(signature.bytes, envelope.pae, public)) throw Refused(Reason.SIGNATURE, signature.key)
    }
    if (envelope.signatures.size < role.threshold) {
        throw Refused(Reason.TOO_FEW_SIGNATURES, "${role.threshold} are asked for")
    }
}

fun isTime(text: String): Boolean = TIME.matches(text)

fun isVersion(number: Long): Boolean = number in 1..MOST_NUMBER

private fun fits(signature: ByteArray, message: ByteArray, public: ByteArray): Boolean {
    val verifier = Ed25519Signer()
    try {
        verifier.init(false, Ed25519PublicKeyParameters(public, 0))
    } catch (error: IllegalArgumentException) {
        return false // no point of the curve
    }
    verifier.update(message, 0, message.size)
    return verifier.verifySignature(signature)
}

private fun rootEnvelope(data: ByteArray): Envelope {
    val envelope = try {
        decode(data)
    } catch (error: Refused) {
        throw Refused(Reason.ROOT_MALFORMED)
    }
    if (envelope.payloadType != ROOT_TYPE) throw Refused(Reason.ROOT_MALFORMED)
    return envelope
}

/** That enough of this root's keys signed another root; others may have signed it, too. */
private fun checkEnough(envelope: Envelope, root: Root) {
    val theirs = envelope.signatures.filter { it.key in root.root.keys }
    checkRoot(Envelope(envelope.payload, envelope.payloadType, theirs), root.root)
}

private fun checkRoot(envelope: Envelope, role: Role) =
    try {
        check(envelope, role)
    } catch (error: Refused) {
        throw Refused(Reason.ROOT_SIGNATURE, error.place)
    }

private fun parseRoot(payload: ByteArray, data: ByteArray): Root =
    try {
        val about = parse(payload)
        val keys = about.member("keys").mapValues { publicKey(it.value as? JsonObject ?: throw Malformed("keys")) }
        val roles = about.member("roles")
        val root = Root(
            about.number("version"),
            about.text("expires_at"),
            role(roles.member("root"), keys),
            role(roles.member("bundle"), keys),
            about.texts("revoked").toSet(),
            data,
        )
        val sound = about.text("schema") == ROOT_SCHEMA &&
            isVersion(root.version) &&
            isTime(root.expiresAt) &&
            // one key under two names would count twice (CVE-2020-6174)
            keys.values.map { it.toList() }.toSet().size == keys.size
        if (sound) root else throw Malformed("root")
    } catch (error: Malformed) {
        throw Refused(Reason.ROOT_MALFORMED)
    }

private fun publicKey(about: JsonObject): ByteArray {
    val hex = about.member("keyval").text("public")
    val kinds = setOf(about.text("keytype"), about.text("scheme"))
    if (kinds != setOf("ed25519") || hex.length != 2 * KEY_BYTES || !HEX.matches(hex)) throw Malformed("keys")
    return ByteArray(KEY_BYTES) { hex.substring(2 * it, 2 * it + 2).toInt(16).toByte() }
}

private fun role(about: JsonObject, keys: Map<String, ByteArray>): Role {
    val names = about.texts("keyids")
    val threshold = about.number("threshold")
    if (!isVersion(threshold) || !keys.keys.containsAll(names)) throw Malformed("roles")
    return Role(keys.filterKeys { it in names }, threshold)
}
