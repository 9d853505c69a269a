// Which names a bundle may hold, and which paths may stand beside each other.

private let slash = UInt8(ascii: "/")

/// Whether a relative path stays where it is put, on every system: no .., root, drive or control character.
func isPlain(_ path: ExactText) -> Bool {
    let parts = path.utf8.split(separator: slash, omittingEmptySubsequences: false).map { ExactText(utf8: Array($0)) }
    return !parts.contains { ["", ".", ".."].contains($0) }
        && !path.utf8.contains { $0 < 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "\\") || $0 == UInt8(ascii: ":") }
}

/// Whether these can be files of one folder: none twice, and none a folder of another.
func fitTogether(_ paths: [ExactText]) -> Bool {
    let folders = paths.flatMap { path in
        path.utf8.indices.filter { path.utf8[$0] == slash }.map { ExactText(utf8: Array(path.utf8[..<$0])) }
    }
    let files = Set(paths)
    return files.count == paths.count && files.isDisjoint(with: folders)
}
