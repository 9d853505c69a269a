// Whether a bundle may be used: everything that is looked at before a byte of it is loaded.

import Foundation

let manifestName: ExactText = "manifest.json"
let envelopeName: ExactText = "manifest.dsse.json"
private let manifestType: ExactText = "application/vnd.edgeship.bundle+json"

/// Where the bundle would be used; what is nil or empty is not asked about.
public struct Device: Sendable {
    /// Its clock, in UTC: 2026-11-30T12:00:00Z.
    let now: ExactText
    /// Version of this bundle that is there already.
    public var installed: Int?
    let compatible: ExactText?
    let abi: ExactText?
    let runtimes: [ExactText: ExactText]

    /// `compatible` is what its product takes; `runtimes` are versions by name.
    public init(
        now: String = Device.clock(), installed: Int? = nil, compatible: String? = nil, abi: String? = nil,
        runtimes: [String: String] = [:]
    ) {
        self.now = ExactText(now)
        self.installed = installed
        self.compatible = compatible.map { ExactText($0) }
        self.abi = abi.map { ExactText($0) }
        self.runtimes = Dictionary(uniqueKeysWithValues: runtimes.map { (ExactText($0), ExactText($1)) })
    }

    /// This machine's clock, as bundles write times.
    public static func clock() -> String {
        ISO8601DateFormatter().string(from: Date())
    }
}

/// A bundle that may be used.
public struct Verified: Sendable {
    public let manifest: Object
    public let files: Tree
    /// Those that this device can execute.
    public let artifacts: [Object]
}

/// Look at a bundle; `Refused` with a reason that speaks against it.
public func verify(_ bundle: URL, _ trusted: Root, _ device: Device) throws -> Verified {
    precondition(isTime(device.now), "\(device.now): is not a time like 2026-11-30T12:00:00Z")
    let files = try tree(bundle)
    for name in [manifestName, envelopeName] where files.parts[name] == nil { throw Refused(.fileMissing, name) }
    let root = try newest(trusted, files, now: device.now)
    let envelope = try Envelope.read(files.read(envelopeName))
    guard envelope.payloadType == manifestType else { throw Refused(.payloadType, envelope.payloadType) }
    try check(envelope, root.bundle, revoked: root.revoked)
    guard try files.read(manifestName) == envelope.payload else { throw Refused(.manifestDiffers, manifestName) }
    let manifest = try manifest(envelope.payload)
    try checkUse(manifest, device)
    try checkFiles(manifest, files)
    return Verified(manifest: manifest, files: files, artifacts: try artifacts(manifest, device))
}

/// Look at a bundle in its slot, which was verified when it came: whether its files are still what they were.
///
/// Neither the clock nor a root is asked: what is installed goes on working after its expiry, and after its key was
/// revoked; only what comes next must not be old or theirs. `Refused` where a file has rotted, or for this device's
/// runtimes and ABI.
public func installed(_ slot: URL, _ device: Device) throws -> Verified {
    let files = try tree(slot)
    let manifest = try manifest(files.read(manifestName))
    try checkFiles(manifest, files)
    return Verified(manifest: manifest, files: files, artifacts: try artifacts(manifest, device))
}

private func checkUse(_ manifest: Object, _ device: Device) throws {
    let (compatible, expiresAt) = (try manifest.text("compatible"), try manifest.text("expires_at"))
    let version = try manifest.whole("version")
    guard device.compatible == nil || device.compatible == compatible else { throw Refused(.incompatible, compatible) }
    guard expiresAt > device.now else { throw Refused(.expired, expiresAt) }
    if let installed = device.installed, version < installed {
        throw Refused(.downgrade, "\(version), installed is \(installed)")
    }
}

/// That exactly the manifest's files and roots are there, as it says.
private func checkFiles(_ manifest: Object, _ files: Tree) throws {
    let stored = try sizes(manifest)
    var wanted = Dictionary(uniqueKeysWithValues: stored.keys.map { ("files/" + $0, $0) })
    for root in try manifest.members("roots") { wanted[try root.text("path")] = try root.text("sha256") }
    let there = Set(files.parts.keys)
    if let missing = Set(wanted.keys).subtracting(there).min() { throw Refused(.fileMissing, missing) }
    let extra = there.subtracting(wanted.keys).subtracting([manifestName, envelopeName])
    if let extra = extra.min() { throw Refused(.fileExtra, extra) }
    for (digest, size) in stored.sorted(by: { $0.key < $1.key }) where files.parts["files/" + digest]?.size != size {
        throw Refused(.fileSize, "files/" + digest)
    }
    for (name, digest) in wanted.sorted(by: { $0.key < $1.key }) where try files.digest(name) != digest {
        throw Refused(.fileDigest, name)
    }
}

/// Those that the device can execute, in the manifest's order.
private func artifacts(_ manifest: Object, _ device: Device) throws -> [Object] {
    let runtimes = device.runtimes
    let wishes: [(Reason, (Object) throws -> Bool)] = [
        (.runtimeMissing, { try runtimes.isEmpty || runtimes[$0.member("runtime").text("name")] != nil }),
        (.runtimeTooOld, { try runtimes.isEmpty || isNewEnough($0.member("runtime"), runtimes) }),
        (
            .wrongABI,
            { artifact in
                let abis = try artifact.texts("abis")
                return device.abi.map { abis.isEmpty || abis.contains($0) } ?? true
            }
        ),
    ]
    return try wishes.reduce(manifest.members("artifacts")) { left, wish in
        let fitting = try left.filter(wish.1)
        guard !fitting.isEmpty else {
            throw Refused(wish.0, try left.map { try $0.text("name").description }.joined(separator: ", "))
        }
        return fitting
    }
}

/// By the numbers they begin with: 1.23.0 is not older than 1.23.
private func isNewEnough(_ runtime: Object, _ versions: [ExactText: ExactText]) throws -> Bool {
    guard let version = versions[try runtime.text("name")] else { return false }
    let (ours, least) = (numbers(version), numbers(try runtime.text("minimum_version")))
    let length = max(ours.count, least.count)
    func padded(_ numbers: [Int]) -> [Int] { numbers + Array(repeating: 0, count: length - numbers.count) }
    return !padded(ours).lexicographicallyPrecedes(padded(least))
}
