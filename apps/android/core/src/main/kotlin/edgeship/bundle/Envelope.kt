/**
 * DSSE envelopes: bytes with the signatures over them (github.com/secure-systems-lab/dsse, protocol v1.0.2).
 *
 * An envelope has one written form, as [encode] writes it, and no other is taken: no byte of it can change unseen.
 */
package edgeship.bundle

import kotlin.io.encoding.Base64

class Signature(val key: String, val bytes: ByteArray)

class Envelope(val payload: ByteArray, val payloadType: String, val signatures: List<Signature>) {
    /** The bytes that are signed: DSSE's pre-authentication encoding. */
    val pae: ByteArray
        get() {
            val kind = payloadType.toByteArray()
            return "DSSEv1 ${kind.size} ".toByteArray() + kind + " ${payload.size} ".toByteArray() + payload
        }
}

/** What JSON writers of every language write alike: printable ASCII without quotes and backslashes. */
private val PLAIN = Regex("[ !#-\\[\\]-~]*")

/** The one written form: keys sorted, signatures by their keys, no white space, ASCII, standard base64. */
fun encode(envelope: Envelope): ByteArray {
    val signatures = envelope.signatures.joinToString(",") { """{"keyid":"${it.key}","sig":"${Base64.encode(it.bytes)}"}""" }
    val payload = Base64.encode(envelope.payload)
    return """{"payload":"$payload","payloadType":"${envelope.payloadType}","signatures":[$signatures]}""".toByteArray()
}

/** Read what [encode] wrote; [Refused]: envelope-malformed. */
fun decode(data: ByteArray): Envelope {
    val envelope = try {
        val about = parse(data)
        val signatures = about.members("signatures").map { Signature(it.text("keyid"), Base64.decode(it.text("sig"))) }
        Envelope(Base64.decode(about.text("payload")), about.text("payloadType"), signatures)
    } catch (error: Malformed) {
        throw Refused(Reason.ENVELOPE_MALFORMED)
    } catch (error: IllegalArgumentException) {
        throw Refused(Reason.ENVELOPE_MALFORMED)
    }
    val names = envelope.signatures.map { it.key }
    val plain = (names + envelope.payloadType).all(PLAIN::matches)
    if (!plain || names != names.toSortedSet().toList() || !encode(envelope).contentEquals(data)) {
        throw Refused(Reason.ENVELOPE_MALFORMED)
    }
    return envelope
}
