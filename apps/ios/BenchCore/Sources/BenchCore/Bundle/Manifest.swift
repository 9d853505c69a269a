// What a manifest must say before anything else is asked of it.

private let schemaVersion = 1
private let schema: ExactText = "edgeship-bundle/"

/// What is read of a manifest, of the right types; `Refused`: schema-too-new, manifest-malformed, path-outside,
/// too-large.
func manifest(_ payload: [UInt8]) throws -> Object {
    do {
        let about = try parse(payload)
        try check(about)
        return about
    } catch let malformed as Malformed {
        throw Refused(.manifestMalformed, malformed.place)
    }
}

/// Sizes of a bundle's files by digest.
func sizes(_ manifest: Object) throws -> [ExactText: Int] {
    let pairs = try manifest.members("files").map { (try $0.text("sha256"), try $0.whole("size_bytes")) }
    return Dictionary(uniqueKeysWithValues: pairs)
}

/// The numbers that a version begins with, 1.23 of 1.23-rc1 and of 1.23+cpu; [0] where it begins with none.
func numbers(_ version: ExactText) -> [Int] {
    var found: [Int] = []
    var rest = version.utf8[...]
    while true {
        let digits = rest.prefix(9).prefix(while: isDigit)
        guard let number = Int(String(decoding: digits, as: UTF8.self)) else { break }
        found.append(number)
        rest = rest.dropFirst(digits.count)
        guard rest.first == UInt8(ascii: ".") else { break }
        rest = rest.dropFirst()
    }
    return found.isEmpty ? [0] : found
}

private func check(_ about: Object) throws {
    let number = try schemaNumber(about)
    _ = try (about.text("name"), about.text("compatible"))
    let artifacts = try about.members("artifacts")
    let roots = try about.members("roots")
    let used =
        try [about.members("licences"), about.member("golden").members("files")]
        + artifacts.map { try $0.members("files") }
    let digests = try about.members("files").map { try $0.text("sha256") }
    let sizes = try about.members("files").map { try $0.whole("size_bytes") }
    let isSound =
        try number == schemaVersion
        && isVersion(about.whole("version"))
        && isVersion(about.member("golden").whole("samples"))
        && isTime(about.text("expires_at"))
        && (digests + roots.map { try $0.text("sha256") }).allSatisfy(isDigest)
        && sizes.allSatisfy((0...mostNumber).contains)
        && Set(digests).count == digests.count
        && Set(used.joined().map { try $0.text("sha256") }) == Set(digests)
        && roots.allSatisfy { isRootFile(try $0.text("path")) }
    guard isSound else { throw Malformed("manifest") }
    try artifacts.forEach(checkArtifact)
    let paths = try (used + [roots]).map { group in try group.map { try $0.text("path") } }
    if let outside = paths.joined().first(where: { !isPlain($0) }) { throw Refused(.pathOutside, outside) }
    let entries = try zip(artifacts, paths[2...]).allSatisfy { artifact, own in has(own, try artifact.text("entry")) }
    guard paths.allSatisfy(fitTogether), entries else { throw Malformed("paths") }
    let total = sizes.reduce(0) { min($0 + $1, mostBytes + 1) }
    guard total <= mostBytes else { throw Refused(.tooLarge, "more than \(mostBytes) bytes") }
}

/// `Refused`: schema-too-new.
private func schemaNumber(_ about: Object) throws -> Int {
    let text = try about.text("schema")
    guard let digits = text.after(schema), digits.consists(length: 1...9, of: isDigit),
        let number = Int(digits.description)
    else { throw Malformed("schema") }
    guard number <= schemaVersion else { throw Refused(.schemaTooNew, text) }
    return number
}

private func checkArtifact(_ about: Object) throws {
    let runtime = try about.member("runtime")
    _ = try (about.text("name"), about.text("entry"), about.texts("abis"), runtime.text("name"))
    _ = try about.double("min_sqnr_db")
    guard (0...mostNumber).contains(try about.whole("size_bytes")) else { throw Malformed("size_bytes") }
    guard isNumbers(try runtime.text("minimum_version")) else { throw Malformed("minimum_version") }
}

/// Whether an entry is one of these files, or a folder of some.
private func has(_ paths: [ExactText], _ entry: ExactText) -> Bool {
    paths.contains { $0 == entry || $0.hasPrefix(entry + "/") }
}

private func isDigest(_ text: ExactText) -> Bool {
    text.consists(length: 64...64, of: isHexadecimal)
}

/// Whether this is numbers of at most nine digits with points between, and nothing else.
private func isNumbers(_ text: ExactText) -> Bool {
    text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
        ExactText(utf8: Array($0)).consists(length: 1...9, of: isDigit)
    }
}

/// Whether this is roots/1.json, roots/2.json, …
private func isRootFile(_ path: ExactText) -> Bool {
    let suffix = Array(".json".utf8)
    guard let rest = path.after("roots/")?.utf8, rest.suffix(suffix.count) == suffix[...] else { return false }
    let number = ExactText(utf8: Array(rest.dropLast(suffix.count)))
    return number.consists(length: 1...9, of: isDigit) && !number.hasPrefix("0")
}
