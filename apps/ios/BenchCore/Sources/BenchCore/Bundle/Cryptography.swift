// Ed25519 and SHA-256: CryptoKit's on Apple's systems, OpenSSL's elsewhere.

/// SHA-256 of bytes that come in blocks.
protocol Hash {
    init()
    mutating func update(_ block: UnsafeRawBufferPointer)
    /// 32 bytes; nothing is added afterwards.
    mutating func finished() -> [UInt8]
}

/// Ed25519 (RFC 8032).
protocol Signatures {
    /// Whether a signature is this key's over the message; false for a key or a signature that is none.
    static func fits(_ signature: [UInt8], _ message: [UInt8], key: [UInt8]) -> Bool
}
