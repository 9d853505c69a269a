// Why a bundle is refused: one word per reason, the same in every language that reads bundles (docs/bundles.md).

/// The files' names come first, then who signed, the manifest, its files, and the device; one reason is given.
public enum Reason: String, CaseIterable, Sendable {
    case unreadable = "unreadable"
    case pathOutside = "path-outside"
    case link = "link"
    case duplicateEntry = "duplicate-entry"
    case compressed = "compressed"
    case tooLarge = "too-large"
    case fileMissing = "file-missing"
    case rootMalformed = "root-malformed"
    case rootSignature = "root-signature"
    case rootVersion = "root-version"
    case rootExpired = "root-expired"
    case envelopeMalformed = "envelope-malformed"
    case payloadType = "payload-type"
    case keyRevoked = "key-revoked"
    case keyUnknown = "key-unknown"
    case signature = "signature"
    case tooFewSignatures = "too-few-signatures"
    case manifestDiffers = "manifest-differs"
    case manifestMalformed = "manifest-malformed"
    case schemaTooNew = "schema-too-new"
    case incompatible = "incompatible"
    case expired = "expired"
    case downgrade = "downgrade"
    case fileExtra = "file-extra"
    case fileSize = "file-size"
    case fileDigest = "file-digest"
    case runtimeMissing = "runtime-missing"
    case runtimeTooOld = "runtime-too-old"
    case wrongABI = "wrong-abi"

    public var sentence: String {
        switch self {
        case .unreadable: "it is neither a folder nor a whole zip file"
        case .pathOutside: "a name in it leads out of it, or is not plain"
        case .link: "it holds a link or a special file"
        case .duplicateEntry: "two of its entries have one name"
        case .compressed: "an entry is compressed or encrypted; a bundle's entries are stored"
        case .tooLarge: "it is larger than a bundle may be"
        case .fileMissing: "a file is missing"
        case .rootMalformed: "the root of trust cannot be read"
        case .rootSignature: "a root is not signed as the one before it asks"
        case .rootVersion: "a root does not follow the one before it"
        case .rootExpired: "the newest root has expired"
        case .envelopeMalformed: "what holds the signatures cannot be read, or is not written in its one form"
        case .payloadType: "what was signed is not a bundle's manifest"
        case .keyRevoked: "signed with a key that was revoked"
        case .keyUnknown: "signed with a key that the root does not name"
        case .signature: "a signature does not fit: bytes were changed after signing"
        case .tooFewSignatures: "fewer keys signed than the root asks for"
        case .manifestDiffers: "manifest.json is not the one that was signed: two versions are mixed"
        case .manifestMalformed: "the manifest does not say what it must"
        case .schemaTooNew: "the manifest's schema is newer than this program"
        case .incompatible: "it is made for another product"
        case .expired: "it has expired"
        case .downgrade: "a newer version is installed"
        case .fileExtra: "it holds a file that the manifest does not name"
        case .fileSize: "a file has another size than the manifest says"
        case .fileDigest: "a file has another digest than the manifest says"
        case .runtimeMissing: "no artifact is for a runtime of this device"
        case .runtimeTooOld: "the device's runtime is older than an artifact needs"
        case .wrongABI: "no artifact is for this device's ABI"
        }
    }
}

/// A bundle must not be used; `place` is what in it is meant.
public struct Refused: Error, CustomStringConvertible {
    public let reason: Reason
    public let place: String

    public init(_ reason: Reason, _ place: some CustomStringConvertible = "") {
        self.reason = reason
        self.place = place.description
    }

    public var description: String {
        place.isEmpty ? reason.sentence : "\(place): \(reason.sentence)"
    }
}
