// Who may sign: a root that names keys and thresholds and can be replaced, as The Update Framework has it.
//
// Every signature in a bundle must be a named key's and must fit. The root that an app ships with is trusted because it
// is there; it may also bear signatures of the root before it, which nobody can check any more.

private let rootType: ExactText = "application/vnd.edgeship.root+json"
private let rootSchema: ExactText = "edgeship-root/1"
private let keyBytes = 32

/// Keys by their ids, and how many of them must sign.
struct Role: Sendable {
    let keys: [ExactText: [UInt8]]
    let threshold: Int
}

/// Who signs roots and who signs bundles.
public struct Root: Sendable {
    public let version: Int
    let expiresAt: ExactText
    let root: Role
    let bundle: Role
    let revoked: Set<ExactText>
    /// Its envelope: what a device keeps to start from the next time.
    public let data: [UInt8]
}

/// The root that an app ships with; `Refused`: root-malformed, root-signature.
public func anchor(_ data: [UInt8]) throws -> Root {
    let envelope = try rootEnvelope(data)
    let root = try Root(envelope.payload, data)
    try checkEnough(envelope, root)
    return root
}

/// The root at the end of the chain in a bundle's roots/; `Refused`: root-malformed, -signature, -version, -expired.
func newest(_ trusted: Root, _ bundle: Tree, now: ExactText) throws -> Root {
    var root = trusted
    while true {
        let name = ExactText("roots/\(root.version + 1).json")
        guard bundle.parts[name] != nil else { break }
        let data = try bundle.read(name)
        let envelope = try rootEnvelope(data)
        try checkEnough(envelope, root)  // before anything in it is read
        let following = try Root(envelope.payload, data)
        guard following.version == root.version + 1 else { throw Refused(.rootVersion, name) }
        try checkEnough(envelope, following)
        try checkRoot(envelope, Role(keys: root.root.keys.merging(following.root.keys) { $1 }, threshold: 0))
        root = following
    }
    guard root.expiresAt > now else { throw Refused(.rootExpired, "version \(root.version), \(root.expiresAt)") }
    return root
}

/// That the role's keys signed, enough of them and none else; `Refused`: key-revoked, key-unknown, signature,
/// too-few-signatures.
func check(_ envelope: Envelope, _ role: Role, revoked: Set<ExactText> = []) throws {
    let signed = envelope.signed
    for signature in envelope.signatures {
        guard !revoked.contains(signature.key) else { throw Refused(.keyRevoked, signature.key) }
        guard let key = role.keys[signature.key] else { throw Refused(.keyUnknown, signature.key) }
        guard SystemSignatures.fits(signature.bytes, signed, key: key) else { throw Refused(.signature, signature.key) }
    }
    guard envelope.signatures.count >= role.threshold else {
        throw Refused(.tooFewSignatures, "\(role.threshold) are asked for")
    }
}

/// Whether this is a time as bundles have them, 2026-11-30T12:00:00Z; in UTC, they are earlier where they sort earlier.
func isTime(_ text: ExactText) -> Bool {
    let form = Array("0000-00-00T00:00:00Z".utf8)
    return text.utf8.count == form.count
        && zip(text.utf8, form).allSatisfy { byte, wanted in isDigit(wanted) ? isDigit(byte) : byte == wanted }
}

/// Whether this is a whole number from 1 up that JSON keeps.
func isVersion(_ number: Int) -> Bool {
    (1...mostNumber).contains(number)
}

private func rootEnvelope(_ data: [UInt8]) throws -> Envelope {
    guard let envelope = try? Envelope.read(data), envelope.payloadType == rootType else {
        throw Refused(.rootMalformed)
    }
    return envelope
}

/// That enough of this root's keys signed another root; others may have signed it, too.
private func checkEnough(_ envelope: Envelope, _ root: Root) throws {
    let theirs = envelope.signatures.filter { root.root.keys[$0.key] != nil }
    try checkRoot(
        Envelope(payload: envelope.payload, payloadType: envelope.payloadType, signatures: theirs), root.root)
}

private func checkRoot(_ envelope: Envelope, _ role: Role) throws {
    do {
        try check(envelope, role)
    } catch let refused as Refused {
        throw Refused(.rootSignature, refused.place)
    }
}

extension Root {
    /// `Refused`: root-malformed.
    fileprivate init(_ payload: [UInt8], _ data: [UInt8]) throws {
        do {
            let about = try parse(payload)
            let keys = try about.member("keys").mapValues { try publicKey($0) }
            let roles = try about.member("roles")
            self.init(
                version: try about.whole("version"), expiresAt: try about.text("expires_at"),
                root: try role(roles.member("root"), keys), bundle: try role(roles.member("bundle"), keys),
                revoked: Set(try about.texts("revoked")), data: data)
            let isSound =
                try about.text("schema") == rootSchema && isVersion(version) && isTime(expiresAt)
                // one key under two names would count twice (CVE-2020-6174)
                && Set(keys.values).count == keys.count
            guard isSound else { throw Malformed("root") }
        } catch is Malformed {
            throw Refused(.rootMalformed)
        }
    }
}

private func publicKey(_ value: JSON) throws -> [UInt8] {
    guard let about = value.object else { throw Malformed("keys") }
    let text = try about.member("keyval").text("public")
    let kinds = [try about.text("keytype"), try about.text("scheme")]
    guard kinds == ["ed25519", "ed25519"], let bytes = keyOf(text) else { throw Malformed("keys") }
    return bytes
}

/// 32 bytes of 64 small letters; nil where they are others.
private func keyOf(_ text: ExactText) -> [UInt8]? {
    guard text.consists(length: 2 * keyBytes...2 * keyBytes, of: isHexadecimal) else { return nil }
    let string = text.description
    return stride(from: 0, to: 2 * keyBytes, by: 2).compactMap { UInt8(string.dropFirst($0).prefix(2), radix: 16) }
}

private func role(_ about: Object, _ keys: [ExactText: [UInt8]]) throws -> Role {
    let names = try about.texts("keyids")
    let threshold = try about.whole("threshold")
    guard isVersion(threshold), names.allSatisfy({ keys[$0] != nil }) else { throw Malformed("roles") }
    return Role(keys: keys.filter { names.contains($0.key) }, threshold: threshold)
}
