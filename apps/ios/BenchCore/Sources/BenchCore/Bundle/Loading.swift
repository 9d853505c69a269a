// From slots to a loaded model: the only place where a new bundle is tried.

import Foundation

/// What is in use.
public struct Loaded: Sendable {
    public let bundle: Verified
    public let artifact: Artifact
    public let model: any Model
    /// Where it was tried just now; nil where it was found good before.
    public let sqnrDB: Double?
}

extension Slots {
    /// Load what is installed; nil where nothing is. A new bundle's golden samples are tried on this device: it is kept
    /// where they come near enough, else the one before is loaded. Its files are put into `folder` under their names.
    ///
    /// `device` says what the app has; no root is asked, for what is installed was verified when it came. Should the
    /// process die in here, the next call gives the bundle before.
    public func load(_ engine: any Engine, _ device: Device, in folder: URL, threads: Int) async throws -> Loaded? {
        while let place = try start() {
            let isTried = try state?.stage == .trying
            do {
                let loaded = try await loaded(place, engine, device, folder, threads, isTried)
                guard let sqnr = loaded.sqnrDB else { return loaded }
                if sqnr >= loaded.artifact.minSQNRdB {
                    _ = try foundGood()
                    return loaded
                }
            } catch  where isTried {
                continue  // to the one before
            }
        }
        return nil
    }

    private func loaded(
        _ place: URL, _ engine: any Engine, _ device: Device, _ folder: URL, _ threads: Int, _ isTried: Bool
    ) async throws -> Loaded {
        let bundle = try installed(place, device)
        let wanted = ExactText(engine.runtime)
        guard let about = try bundle.artifacts.first(where: { try $0.member("runtime").text("name") == wanted }) else {
            throw Refused(.runtimeMissing, wanted)
        }
        let artifact = try Artifact(bundle, about)
        if FileManager.default.fileExists(atPath: folder.path) { try FileManager.default.removeItem(at: folder) }
        let model = try await artifact.open(engine, in: folder, threads: threads)
        return Loaded(
            bundle: bundle, artifact: artifact, model: model, sqnrDB: isTried ? try await artifact.sqnrDB(model) : nil)
    }
}
