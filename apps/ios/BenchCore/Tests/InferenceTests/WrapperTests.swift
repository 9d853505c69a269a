// The wrapper that `edgeship codegen` writes of the bundle of examples/digits.

#if GENERATED
    import BenchCore
    import EdgeshipContract
    import Foundation
    import Testing

    struct WrapperTests {
        @Test("golden samples and a picture are as in Python")
        func golden() async throws {
            let data = try DigitsBundle()
            defer { data.clear() }
            let bundle = try verify(data.bundle, data.root, data.device)
            let golden = DigitsGolden(bundle, data.engine, samples: data.data.appendingPathComponent("swift/golden"))
            #expect(try await golden.differences(in: data.folder) == [])
        }

        @Test("pictures of digits are classified as the samples that they were made of")
        func pictures() async throws {
            let data = try DigitsBundle()
            defer { data.clear() }
            let bundle = try verify(data.bundle, data.root, data.device)
            let digits = try await Digits.open(bundle, data.engine, in: data.folder)
            let artifact = try Digits.artifact(bundle, data.engine)
            var agree = 0
            for sample in 0..<artifact.samples {
                let answer = try await digits.predict(image: picture(artifact.inputs(sample)[0]))
                let expected = try artifact.outputs(sample)[0].floats()
                agree += try answer.best()[0].index == expected.firstIndex(of: expected.max() ?? 0) ? 1 : 0
            }
            print("\(agree) of \(artifact.samples) pictures of digits classified as their samples")
            #expect(agree == artifact.samples)
        }

        /// A sample's numbers from 0 to 1 as grey pixels.
        private func picture(_ sample: Tensor) throws -> Picture {
            let rgba = try sample.floats().flatMap { [UInt8](repeating: UInt8(($0 * 255).rounded()), count: 4) }
            return try Picture(rgba: rgba, width: 32, height: 32)
        }
    }
#endif
