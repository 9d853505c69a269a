// One artifact of a verified bundle: its files put where a runtime can open them, and its golden samples.

import Foundation

public struct Artifact: Sendable {
    public let name: String
    public let runtime: String
    public let format: String
    /// The path that a runtime is given, below the folder of the artifact's files.
    public let entry: String
    /// The model's names, in its order.
    public let inputNames: [String]
    public let outputNames: [String]
    /// By the inputs' names.
    public let inputTypes: [String: DType]
    /// Least SQNR of a device's answers against the golden ones.
    public let minSQNRdB: Double
    /// How many golden samples there are.
    public let samples: Int
    /// As the manifest has it.
    public let about: Object
    private let bundle: Verified

    /// `Malformed` for what no verified bundle holds.
    public init(_ bundle: Verified, _ about: Object) throws {
        (self.bundle, self.about) = (bundle, about)
        name = try about.text("name").description
        runtime = try about.member("runtime").text("name").description
        format = try about.text("format").description
        entry = try about.text("entry").description
        inputNames = try about.members("inputs").map { try $0.text("name").description }
        outputNames = try about.members("outputs").map { try $0.text("name").description }
        inputTypes = try Dictionary(
            about.members("inputs").map { try ($0.text("name").description, dtype($0)) }, uniquingKeysWith: { $1 })
        minSQNRdB = try about.double("min_sqnr_db")
        samples = try bundle.manifest.member("golden").whole("samples")
    }

    /// Write the files below a folder of this artifact's own, and load them; `Refused`: file-digest.
    public func open(_ engine: any Engine, in folder: URL, threads: Int, backend: String = "") async throws -> any Model
    {
        try unpack(into: folder)
        let load = Load(
            folder.appendingPathComponent(entry), inputs: inputNames, outputs: outputNames, threads: threads,
            backend: backend, options: options)
        return try await engine.open(load)
    }

    /// What the runtime is told.
    public var options: Object { (try? about.member("runtime"))?["options"]?.object ?? [:] }

    /// A file of the artifact by its path; `Refused`: file-missing, file-digest.
    public func file(_ path: String) throws -> [UInt8] {
        guard let file = try about.members("files").first(where: { try $0.text("path") == ExactText(path) }) else {
            throw Refused(.fileMissing, path)
        }
        var found: [UInt8] = []
        try stored(file.text("sha256")) { found += $0 }
        return found
    }

    /// Write the files below a folder under their names; `Refused`: file-digest.
    public func unpack(into folder: URL) throws {
        for file in try about.members("files") {
            let place = folder.appendingPathComponent(try file.text("path").description)
            let parent = place.deletingLastPathComponent()
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
            try SystemDisk().write(place.path) { use in try stored(file.text("sha256"), use) }
        }
    }

    /// One golden sample's inputs, in the model's order.
    public func inputs(_ sample: Int) throws -> [Tensor] {
        let golden = try bundle.manifest.member("golden").member("inputs")
        return try inputNames.map { try tensor(golden.member(ExactText($0)), sample) }
    }

    /// What this file answered to it on the machine that made the bundle.
    public func outputs(_ sample: Int) throws -> [Tensor] {
        let golden = try bundle.manifest.member("golden").member("outputs").member(ExactText(name))
        return try outputNames.map { try tensor(golden.member(ExactText($0)), sample) }
    }

    /// What the golden samples say of a loaded file: its worst output's SQNR in dB; healthy from `minSQNRdB` on.
    public func sqnrDB(_ model: any Model) async throws -> Double {
        var expected: [[Tensor]] = []
        var answered: [[Tensor]] = []
        for sample in 0..<samples {
            expected.append(try outputs(sample))
            answered.append(try await model.run(inputs(sample)))
        }
        guard answered.allSatisfy({ $0.count == outputNames.count }) else {
            throw WrongTensor(description: "\(outputNames.joined(separator: ", ")): there are other outputs")
        }
        let each = try outputNames.indices.map { output in
            try BenchCore.sqnrDB(expected.map { $0[output] }, answered.map { $0[output] })
        }
        return each.min() ?? -.infinity
    }

    /// Only bytes that are those that were verified: a file may have changed since.
    private func stored(_ digest: ExactText, _ use: (UnsafeRawBufferPointer) throws -> Void) throws {
        let name = "files/" + digest
        guard let part = bundle.files.parts[name] else { throw Refused(.fileMissing, name) }
        var hash = SystemHash()
        try part.forEachBlock { block in
            hash.update(block)
            try use(block)
        }
        guard hexadecimal(hash.finished()) == digest else { throw Refused(.fileDigest, name) }
    }

    private func tensor(_ about: Object, _ sample: Int) throws -> Tensor {
        let shape = try about.wholes("shape")
        guard let count = shape.first, sample < count else { throw Malformed("golden") }
        let digest = try about.text("sha256")
        guard let part = bundle.files.parts["files/" + digest] else { throw Refused(.fileMissing, digest) }
        let bytes = part.size / count
        let one = Part(path: part.path, offset: part.offset + sample * bytes, size: bytes)
        return try Tensor(dtype(about), Array(shape.dropFirst()), one.bytes())
    }
}

private func dtype(_ about: Object) throws -> DType {
    guard let dtype = DType(rawValue: try about.text("dtype").description) else { throw Malformed("dtype") }
    return dtype
}

/// Signal to quantization noise of one output's answers, in dB: ∞ where they are those expected, -∞ for what is no
/// number.
public func sqnrDB(_ expected: [Tensor], _ answered: [Tensor]) throws -> Double {
    var (signal, noise) = (0.0, 0.0)
    for (one, other) in zip(expected, answered) {
        guard one.shape == other.shape else {
            throw WrongTensor(description: "\(other.shape) was answered for \(one.shape)")
        }
        for (wanted, got) in zip(one.numbers(), other.numbers()) {
            signal += wanted * wanted
            noise += (wanted - got) * (wanted - got)
        }
    }
    if noise == 0 { return .infinity }  // of zeros, too
    let found = 10 * log10(signal / noise)
    return found.isNaN ? -.infinity : found
}
