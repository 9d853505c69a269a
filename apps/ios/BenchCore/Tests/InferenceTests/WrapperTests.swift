// The wrappers that `edgeship codegen` writes of the bundles of examples/digits, with the contract in the graph, too.

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
            let samples = data.data.appendingPathComponent("swift/digits/golden")
            #expect(try await DigitsGolden(bundle, data.engine, samples: samples).differences(in: data.folder) == [])
        }

        @Test("with the contract in the graph, too")
        func goldenBytes() async throws {
            let data = try DigitsBundle("bytes")
            defer { data.clear() }
            let bundle = try verify(data.bundle, data.root, data.device)
            let samples = data.data.appendingPathComponent("swift/bytes/golden")
            let golden = DigitsBytesGolden(bundle, data.engine, samples: samples)
            #expect(try await golden.differences(in: data.folder) == [])
        }

        @Test("a file that takes bytes answers the probabilities of the one that takes numbers")
        func probabilities() async throws {
            let (data, other) = try (DigitsBundle(), DigitsBundle("bytes"))
            defer { [data, other].forEach { $0.clear() } }
            let bundles = try [data, other].map { try verify($0.bundle, $0.root, $0.device) }
            let numbered = try await Digits.open(bundles[0], data.engine, in: data.folder)
            let folded = try await DigitsBytes.open(bundles[1], other.engine, in: other.folder)
            let artifact = try Digits.artifact(bundles[0], data.engine)
            for sample in 0..<artifact.samples {
                let picture = try picture(artifact.inputs(sample)[0])
                let (wanted, found) = try await (numbered.predict(image: picture), folded.predict(image: picture))
                #expect(try wanted.best()[0].label == found.best()[0].label)
                let pairs = try zip(softmax(wanted.logits.floats()), found.logits.floats())
                #expect(pairs.allSatisfy { abs($0 - $1) <= 1e-5 })
            }
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
