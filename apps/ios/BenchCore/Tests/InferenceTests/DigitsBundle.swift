// The bundles of examples/digits and the library that executes them, as tests/ios_data.py put them there.

import BenchCore
import Foundation

let digitsCount = 599

struct DigitsBundle {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("edgeship-\(UUID().uuidString)")
    let data: URL
    let engine: OnnxEngine
    let root: Root
    let device: Device
    private let name: String

    /// `name` is of its file; digits or bytes, whose contract is in the graph.
    init(_ name: String = "digits") throws {
        self.name = name
        guard let path = ProcessInfo.processInfo.environment["EDGESHIP_DATA"] else {
            throw OrtError(description: "EDGESHIP_DATA names no folder: run `make test-ios-core`")
        }
        data = URL(fileURLWithPath: path)
        engine = try OnnxEngine(library: data.appendingPathComponent("libonnxruntime.so"))
        root = try anchor(Array(Data(contentsOf: data.appendingPathComponent("root.json"))))
        let product = name == "digits" ? name : "digits-\(name)"
        device = Device(compatible: product, runtimes: [engine.runtime: engine.version])
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    var bundle: URL { data.appendingPathComponent("\(name).zip") }

    func artifact() throws -> Artifact {
        let bundle = try verify(bundle, root, device)
        return try Artifact(bundle, bundle.artifacts[0])
    }

    func clear() {
        try? FileManager.default.removeItem(at: folder)
    }
}
