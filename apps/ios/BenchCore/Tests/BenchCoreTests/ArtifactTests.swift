// The health check: what a device's answers are worth against the golden ones.

import Foundation
import Testing

@testable import BenchCore

struct ArtifactTests {
    private let bundle: Verified

    init() throws {
        let root = try anchor(Array(Data(contentsOf: TestData.file("slots/root.json"))))
        bundle = try verify(TestData.file("slots/answers"), root, Device(now: "2026-11-30T12:00:00Z"))
    }

    private func artifact(_ name: String) throws -> Artifact {
        let about = try bundle.manifest.members("artifacts").first { try $0.text("name") == ExactText(name) }
        return try Artifact(bundle, #require(about))
    }

    /// Of answers that are the golden ones, but for these outputs' bytes.
    private func sqnrDB(_ name: String, but changed: [String: [UInt8]] = [:]) async throws -> Double {
        let artifact = try artifact(name)
        let answers = try zip(artifact.outputNames, artifact.outputs(0)).map { name, golden in
            try Tensor(golden.dtype, golden.shape, changed[name] ?? golden.data)
        }
        return try await artifact.sqnrDB(Answering(answers))
    }

    @Test("a small output that is wrong does not hide behind a large one")
    func small() async throws {
        #expect(try await sqnrDB("uneven") == .infinity)
        #expect(try await sqnrDB("uneven", but: ["small": Array(repeating: 0, count: 8)]) == 0)
    }

    @Test("equal answers of zeros are without noise")
    func zeros() async throws {
        #expect(try await sqnrDB("silent") == .infinity)
    }

    @Test("answers that are no numbers are worth nothing")
    func notNumbers() async throws {
        #expect(try await sqnrDB("uneven", but: ["large": Array(repeating: 255, count: 16)]) == -.infinity)
    }

    @Test("a model with fewer outputs than the artifact is refused")
    func fewer() async throws {
        let artifact = try artifact("uneven")
        let one = try Answering(Array(artifact.outputs(0).prefix(1)))
        await #expect(throws: WrongTensor.self) { try await artifact.sqnrDB(one) }
    }

    @Test("answers in float16 are read")
    func float16() async throws {
        #expect(try await sqnrDB("half") == .infinity)
        #expect(try await sqnrDB("half", but: ["halves": Array(repeating: 0, count: 8)]) == 0)
    }

    @Test("halves are the numbers that IEEE 754 has")
    func halves() throws {
        let bits: [UInt16] = [0x3C00, 0xC100, 0x0001, 0x03FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00]
        let least = 0x1p-24
        #expect(
            try numbers(.float16, bits) == [1, -2.5, least, 1023 * least, 1024 * least, 65504, .infinity, -.infinity])
        #expect(try numbers(.float16, [0x7E00])[0].isNaN)
        #expect(try numbers(.bfloat16, [0x3F80, 0xC020]) == [1, -2.5])
    }

    private func numbers(_ dtype: DType, _ bits: [UInt16]) throws -> [Double] {
        try Tensor(dtype, [bits.count], bits.withUnsafeBytes(Array.init)).numbers()
    }
}

/// Gives the same answers to whatever it is asked.
private final class Answering: Model {
    private let answers: [Tensor]

    init(_ answers: [Tensor]) {
        self.answers = answers
    }

    func feed(_ inputs: [Tensor]) throws {}

    func invoke() async throws {}

    func fetch() throws -> [Tensor] { answers }
}
