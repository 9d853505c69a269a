// From a bundle to the first prediction: what docs/integrate-ios.md shows. `Digits` is what `edgeship codegen` wrote.

#if GENERATED
    import BenchCore
    import Foundation

    // docs: device
    /// `storage` keeps bundles, `cache` what the runtime opens; `rootJSON` is the root that the app ships with.
    struct DigitReader: Sendable {
        private let slots: Slots
        private let files: URL
        private let root: Root
        private let engine: any Engine

        init(storage: URL, cache: URL, rootJSON: [UInt8], engine: any Engine) throws {
            slots = Slots(storage.appendingPathComponent("digits"))
            files = cache.appendingPathComponent("digits")
            root = try anchor(rootJSON)
            self.engine = engine
        }

        private var device: Device {
            Device(compatible: "digits", runtimes: [engine.runtime: engine.version])
        }
        // docs: end

        // docs: install
        /// Take a bundle that arrived; it is used from the next `open` on. `Refused` says why it may not be used.
        func install(_ bundle: URL) throws {
            _ = try slots.install(bundle, root, device)
        }
        // docs: end

        // docs: open
        /// Load what is installed, and try it where it is new; nil where nothing is left that works.
        func open() async throws -> Digits? {
            try await slots.load(engine, device, in: files, threads: 2).map { Digits(model: $0.model) }
        }
        // docs: end
    }
#endif
