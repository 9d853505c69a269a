// OpenSSL's Ed25519 and SHA-256, where there is no CryptoKit.

#if !canImport(CryptoKit)
    import COpenSSL

    struct SystemHash: Hash {
        private let context = Context()

        init() {
            precondition(EVP_DigestInit_ex(context.pointer, EVP_sha256(), nil) == 1, "OpenSSL has no SHA-256")
        }

        mutating func update(_ block: UnsafeRawBufferPointer) {
            EVP_DigestUpdate(context.pointer, block.baseAddress, block.count)
        }

        mutating func finished() -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: 32) { buffer, filled in
                EVP_DigestFinal_ex(context.pointer, buffer.baseAddress, nil)
                filled = 32
            }
        }
    }

    enum SystemSignatures: Signatures {
        static func fits(_ signature: [UInt8], _ message: [UInt8], key: [UInt8]) -> Bool {
            guard let public_ = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, key, key.count) else { return false }
            defer { EVP_PKEY_free(public_) }
            let context = Context()
            return EVP_DigestVerifyInit(context.pointer, nil, nil, nil, public_) == 1
                && EVP_DigestVerify(context.pointer, signature, signature.count, message, message.count) == 1
        }
    }

    /// A state of OpenSSL's that is freed with its owner.
    private final class Context {
        let pointer = EVP_MD_CTX_new()

        deinit {
            EVP_MD_CTX_free(pointer)
        }
    }
#endif
