// The bundles that are installed: those that come with the app, and those that were put beside it.

import BenchCore
import Foundation

/// One product's slots, by the name of the bundle's file.
public struct Product: Identifiable, Hashable, Sendable {
    public let name: String
    public let version: Int

    public var id: String { name }
}

public struct Shelf: Sendable {
    private let folder, files: URL
    private let root: Root
    private let engine: any Engine
    private let abi: String?

    /// `folder` keeps the slots, `files` what runtimes open; `root` is the root.json that the app ships with.
    public init(_ folder: URL, files: URL, root: [UInt8], engine: any Engine, abi: String? = nil) throws {
        (self.folder, self.files, self.engine, self.abi) = (folder, files, engine, abi)
        self.root = try anchor(root)
    }

    public var products: [Product] {
        get throws {
            guard FileManager.default.fileExists(atPath: folder.path) else { return [] }
            return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().compactMap { name in
                try slots(name).state.map { Product(name: name, version: $0.current.version) }
            }
        }
    }

    /// Install what is newer than all that was installed; answers why bundles were not, and what is there goes on
    /// working.
    public func install(_ bundles: [URL]) -> [String] {
        var refused: [String] = []
        for bundle in bundles {
            do {
                try install(bundle)
            } catch let refusal as Refused {
                refused.append("\(bundle.lastPathComponent): \(refusal) (\(refusal.reason.rawValue))")
            } catch is Busy {
                // the process died while it tried one: loading goes back first, and this comes at the next start
            } catch {
                refused.append("\(bundle.lastPathComponent): \(error)")
            }
        }
        return refused
    }

    /// Load a product's bundle, and try it where it is new; nil where nothing is left to load.
    public func load(_ product: Product, threads: Int) async throws -> Loaded? {
        let own = files.appendingPathComponent(product.name)
        return try await slots(product.name).load(engine, device, in: own, threads: threads)
    }

    private func install(_ bundle: URL) throws {
        let name = bundle.deletingPathExtension().lastPathComponent
        let slots = slots(name)
        let version = try verify(bundle, slots.newer(root), device).manifest.whole("version")
        var versions = try installed
        guard version > versions[name] ?? 0 else { return }
        _ = try slots.install(bundle, root, device)
        versions[name] = version
        try JSONEncoder().encode(versions).write(to: installedFile, options: .atomic)
    }

    /// Versions by product: each is installed once, so that one that was given up is not tried at every start.
    private var installed: [String: Int] {
        get throws {
            guard FileManager.default.fileExists(atPath: installedFile.path) else { return [:] }
            return try JSONDecoder().decode([String: Int].self, from: Data(contentsOf: installedFile))
        }
    }

    private var installedFile: URL { folder.appendingPathComponent("installed.json") }

    private func slots(_ name: String) -> Slots {
        Slots(folder.appendingPathComponent(name))
    }

    private var device: Device {
        Device(abi: abi, runtimes: [engine.runtime: engine.version])
    }
}
