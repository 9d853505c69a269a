// What docs/integrate-ios.md shows, with the bundle of examples/digits and its generated wrapper.

#if GENERATED
    import BenchCore
    import EdgeshipContract
    import Foundation
    import Testing

    private let side = 60

    struct DigitReaderTests {
        private func reader(_ data: DigitsBundle) throws -> DigitReader {
            try DigitReader(
                storage: data.folder.appendingPathComponent("store"),
                cache: data.folder.appendingPathComponent("cache"),
                rootJSON: Array(Data(contentsOf: data.data.appendingPathComponent("root.json"))), engine: data.engine)
        }

        /// Bright ink on dark ground, which is what the digits were.
        private func drawn(_ isInk: (Double, Double) -> Bool) throws -> Picture {
            let middle = Double(side) / 2 - 0.5
            let ink = (0..<side * side).map { isInk(Double($0 % side) - middle, Double($0 / side) - middle) }
            let rgba: [UInt8] = ink.flatMap { Array(repeating: $0 ? 255 : 0, count: 4) }
            return try Picture(rgba: rgba, width: side, height: side)
        }

        @Test("the page's bundle is installed, tried and asked what was drawn")
        func predicted() async throws {
            let data = try DigitsBundle()
            defer { data.clear() }
            let reader = try reader(data)
            #expect(try await reader.open() == nil)
            try reader.install(data.bundle)
            // docs: predict
            let ring = try drawn { x, y in abs(hypot(x * 1.5, y) - 22) < 6 }
            if let digits = try await reader.open() {
                let best = try await digits.predict(image: ring).best()[0]
                print("\(best.label), \(Int(100 * best.score)) %")
                #expect(best.label == "0")
            }
            // docs: end
            let stroke = try drawn { x, y in abs(x) < 5 && abs(y) < 27 }
            let again = try #require(try await reader.open())
            #expect(try await again.predict(image: stroke).best().first?.label == "1")
        }

        @Test("what the page's reader refuses or gives up changes nothing")
        func refused() async throws {
            let data = try DigitsBundle()
            defer { data.clear() }
            let reader = try reader(data)
            try reader.install(data.bundle)
            #expect(try await reader.open() != nil)
            let strange = data.data.appendingPathComponent("slots/five")
            #expect { try reader.install(strange) } throws: { ($0 as? Refused)?.reason.rawValue == "key-unknown" }
            // well signed, but its golden samples fail here
            try reader.install(data.data.appendingPathComponent("sick.zip"))
            #expect(try await reader.open() != nil)
        }
    }
#endif
