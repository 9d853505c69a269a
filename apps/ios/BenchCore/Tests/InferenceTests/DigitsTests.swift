// The bundle of examples/digits through verification and real inference, against what Python answered.

import BenchCore
import Foundation
import Testing

struct DigitsTests {
    @Test("all digits are classified as in Python")
    func digits() async throws {
        let digits = try DigitsBundle()
        defer { digits.clear() }
        let artifact = try digits.artifact()
        let model = try await artifact.open(digits.engine, in: digits.folder, threads: 1)
        var agree = 0
        for sample in 0..<artifact.samples {
            let answered = try await model.run(artifact.inputs(sample))
            agree += try best(answered) == best(artifact.outputs(sample)) ? 1 : 0
        }
        let sqnr = try await artifact.sqnrDB(model)
        let told = String(format: "%.1f", sqnr)
        print(
            "\(agree) of \(artifact.samples) digits classified as in Python,",
            "SQNR \(told) dB, by onnxruntime \(digits.engine.version)"
        )
        #expect(artifact.samples == digitsCount)
        #expect(agree == artifact.samples)
        #expect(sqnr >= artifact.minSQNRdB)
    }

    @Test("a bundle that was changed since it was verified is not loaded")
    func changed() async throws {
        let digits = try DigitsBundle()
        defer { digits.clear() }
        let copy = digits.folder.appendingPathComponent("digits.zip")
        try FileManager.default.copyItem(at: digits.bundle, to: copy)
        let bundle = try verify(copy, digits.root, digits.device)
        let artifact = try Artifact(bundle, bundle.artifacts[0])
        try Data(count: Int(FileManager.default.attributesOfItem(atPath: copy.path)[.size] as? Int ?? 0)).write(
            to: copy)
        await #expect(throws: Refused.self) {
            try await artifact.open(digits.engine, in: digits.folder.appendingPathComponent("files"), threads: 1)
        }
    }

    @Test("a new bundle is tried, kept where its answers are near enough, and given up otherwise")
    func slots() async throws {
        let digits = try DigitsBundle()
        defer { digits.clear() }
        let slots = Slots(digits.folder.appendingPathComponent("store"))
        let files = digits.folder.appendingPathComponent("files")
        func load(_ engine: any Engine) async throws -> Double? {
            let loaded = try await slots.load(engine, digits.device, in: files, threads: 1)
            return loaded.map { $0.sqnrDB ?? 0 }
        }
        _ = try slots.install(digits.bundle, digits.root, digits.device)
        #expect(try await load(WrongEngine(engine: digits.engine)) == nil)  // nothing worked before it
        _ = try slots.install(digits.bundle, digits.root, digits.device)
        #expect(try await load(digits.engine) ?? 0 > 30)
        #expect(try slots.state?.stage == .good)
        #expect(try await load(digits.engine) == 0)  // not tried again
        let version = try slots.state?.current.version ?? 0
        for (name, expected) in [("sick", version), ("better", version + 2)] {
            let bundle = digits.data.appendingPathComponent("\(name).zip")
            #expect(try slots.install(bundle, digits.root, digits.device).manifest.whole("version") > version)
            #expect(try await load(digits.engine) != nil)
            #expect(try slots.state?.current.version == expected, "\(name)")
        }
    }

    @Test("what is installed goes on working after its key was revoked and after its expiry")
    func revoked() async throws {
        let digits = try DigitsBundle()
        defer { digits.clear() }
        let slots = Slots(digits.folder.appendingPathComponent("store"))
        let files = digits.folder.appendingPathComponent("files")
        let late = Device(
            now: "9999-01-01T00:00:00Z", compatible: "digits", runtimes: [digits.engine.runtime: digits.engine.version])
        func load() async throws -> Bool {
            try await slots.load(digits.engine, late, in: files, threads: 1) != nil
        }
        _ = try slots.install(digits.bundle, digits.root, digits.device)
        #expect(try await load())
        let first = try slots.state?.current
        // its root revokes the first one's key, and its answers differ here
        _ = try slots.install(digits.data.appendingPathComponent("rotated.zip"), digits.root, digits.device)
        #expect(try await load())
        #expect(try slots.state?.current == first)
    }

    @Test("a file that rotted in its slot is not loaded")
    func rotten() async throws {
        let digits = try DigitsBundle()
        defer { digits.clear() }
        let store = digits.folder.appendingPathComponent("store")
        let slots = Slots(store)
        _ = try slots.install(digits.bundle, digits.root, digits.device)
        _ = try (slots.start(), slots.foundGood())
        let folder = store.appendingPathComponent("a/files")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        let file = try folder.appendingPathComponent(#require(names.first))
        var data = try Data(contentsOf: file)
        data[data.count / 2] ^= 1
        try data.write(to: file)
        await #expect(throws: Refused.self) {
            try await slots.load(
                digits.engine, digits.device, in: digits.folder.appendingPathComponent("files"), threads: 1)
        }
    }
}

func best(_ outputs: [Tensor]) throws -> Int? {
    let values = try outputs[0].floats()
    return values.firstIndex(of: values.max() ?? 0)
}

/// Answers with zeros: a device whose runtime computes something else.
private struct WrongEngine: Engine {
    let engine: OnnxEngine
    var runtime: String { engine.runtime }
    var version: String { engine.version }
    var backends: [String] { engine.backends }

    func open(_ load: Load) throws -> any Model {
        WrongModel(try engine.open(load))
    }
}

private final class WrongModel: Model {
    private let model: any Model

    init(_ model: any Model) {
        self.model = model
    }

    func feed(_ inputs: [Tensor]) throws { try model.feed(inputs) }

    func invoke() async throws { try await model.invoke() }

    func fetch() throws -> [Tensor] {
        try model.fetch().map { try Tensor($0.dtype, $0.shape, Array(repeating: 0, count: $0.data.count)) }
    }
}
