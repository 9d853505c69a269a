/** Why a bundle is refused: the same words in every language that reads bundles (docs/bundles.md). */
package edgeship.bundle

/** The files' names come first, then who signed, the manifest, its files, and the device; one reason is given. */
enum class Reason(val word: String, val sentence: String) {
    UNREADABLE("unreadable", "it is neither a folder nor a whole zip file"),
    PATH_OUTSIDE("path-outside", "a name in it leads out of it, or is not plain"),
    LINK("link", "it holds a link or a special file"),
    DUPLICATE_ENTRY("duplicate-entry", "two of its entries have one name"),
    COMPRESSED("compressed", "an entry is compressed or encrypted; a bundle's entries are stored"),
    TOO_LARGE("too-large", "it is larger than a bundle may be"),
    FILE_MISSING("file-missing", "a file is missing"),
    ROOT_MALFORMED("root-malformed", "the root of trust cannot be read"),
    ROOT_SIGNATURE("root-signature", "a root is not signed as the one before it asks"),
    ROOT_VERSION("root-version", "a root does not follow the one before it"),
    ROOT_EXPIRED("root-expired", "the newest root has expired"),
    ENVELOPE_MALFORMED("envelope-malformed", "what holds the signatures cannot be read, or is not written in its one form"),
    PAYLOAD_TYPE("payload-type", "what was signed is not a bundle's manifest"),
    KEY_REVOKED("key-revoked", "signed with a key that was revoked"),
    KEY_UNKNOWN("key-unknown", "signed with a key that the root does not name"),
    SIGNATURE("signature", "a signature does not fit: bytes were changed after signing"),
    TOO_FEW_SIGNATURES("too-few-signatures", "fewer keys signed than the root asks for"),
    MANIFEST_DIFFERS("manifest-differs", "manifest.json is not the one that was signed: two versions are mixed"),
    MANIFEST_MALFORMED("manifest-malformed", "the manifest does not say what it must"),
    SCHEMA_TOO_NEW("schema-too-new", "the manifest's schema is newer than this program"),
    INCOMPATIBLE("incompatible", "it is made for another product"),
    EXPIRED("expired", "it has expired"),
    DOWNGRADE("downgrade", "a newer version is installed"),
    FILE_EXTRA("file-extra", "it holds a file that the manifest does not name"),
    FILE_SIZE("file-size", "a file has another size than the manifest says"),
    FILE_DIGEST("file-digest", "a file has another digest than the manifest says"),
    RUNTIME_MISSING("runtime-missing", "no artifact is for a runtime of this device"),
    RUNTIME_TOO_OLD("runtime-too-old", "the device's runtime is older than an artifact needs"),
    WRONG_ABI("wrong-abi", "no artifact is for this device's ABI"),
}

/** A bundle must not be used; [place] is what in it is meant. */
class Refused(val reason: Reason, val place: String = "") :
    Exception(if (place.isEmpty()) reason.sentence else "$place: ${reason.sentence}")
