// CryptoKit's Ed25519 and SHA-256.

#if canImport(CryptoKit)
    import CryptoKit
    import Foundation

    struct SystemHash: Hash {
        private var hash = SHA256()

        mutating func update(_ block: UnsafeRawBufferPointer) {
            hash.update(bufferPointer: block)
        }

        mutating func finished() -> [UInt8] {
            Array(hash.finalize())
        }
    }

    enum SystemSignatures: Signatures {
        static func fits(_ signature: [UInt8], _ message: [UInt8], key: [UInt8]) -> Bool {
            guard let key = try? Curve25519.Signing.PublicKey(rawRepresentation: Data(key)) else { return false }
            return key.isValidSignature(Data(signature), for: Data(message))
        }
    }
#endif
