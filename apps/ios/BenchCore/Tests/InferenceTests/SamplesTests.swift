// What the app's screens stand on: bundles on a shelf, and a drawn digit.

import BenchCore
import EdgeshipContract
import Foundation
import HarnessCore
import Testing

struct SamplesTests {
    @Test("a bundle is put on the shelf, tried, and classifies what is drawn")
    func drawn() async throws {
        let digits = try DigitsBundle()
        defer { digits.clear() }
        let shelf = try opened(digits)
        let strange = digits.data.appendingPathComponent("slots/five")
        let refused = shelf.install([digits.bundle, strange, digits.bundle])
        #expect(refused.count == 1)
        #expect(refused.first?.hasSuffix("(key-unknown)") ?? false)
        let product = try #require(shelf.products.first)
        #expect(product.name == "digits")
        let samples = try Samples(#require(try await shelf.load(product, threads: 1)))
        #expect(samples.loaded.sqnrDB ?? 0 > 30)
        let ring = drawing { row, column in abs(hypot(row - 15.5, (column - 15.5) * 1.5) - 12) < 3 }
        #expect(try await samples.classified(ring).first?.label == "0")
        let stroke = drawing { row, column in abs(column - 16) < 3 && abs(row - 15.5) < 15 }
        #expect(try await samples.classified(stroke).first?.label == "1")
        let answers = try await withThrowingTaskGroup(of: (Int, String?).self) { group in
            for number in 0..<20 {
                group.addTask { (number, try await samples.classified(number % 2 == 0 ? ring : stroke).first?.label) }
            }
            return try await group.reduce(into: [String?](repeating: nil, count: 20)) { $0[$1.0] = $1.1 }
        }
        #expect(answers == (0..<20).map { "\($0 % 2)" })  // asked all at once
        var one = Ink()
        for x in [14.0, 16, 18] { one.stroke(from: (x, 1), to: (x, 31)) }
        #expect(try await samples.classified(one.points).first?.label == "1")
        #expect(try await samples.classified(photo(ring)).first?.label == "0")
        #expect(try await samples.classified(photo(stroke)).first?.label == "1")
        await #expect(throws: Malformed.self) { try await samples.nearest(to: "a text", ["another"]) }
    }

    @Test("after a crash while it tries a bundle the app has the one before, and leaves the other alone")
    func crashed() async throws {
        let digits = try DigitsBundle()
        defer { digits.clear() }
        /// A start of the app: what it notes, and which version it loads.
        func start(_ bundles: [URL]) async throws -> (notes: [String], version: Int?) {
            let shelf = try opened(digits)
            let notes = shelf.install(bundles)
            let loaded = try await shelf.load(#require(shelf.products.first), threads: 1)
            return (notes, try loaded?.bundle.manifest.whole("version"))
        }
        let (newer, newest) = try (put("better", digits), put("rotated", digits))
        let first = try await start([digits.bundle])
        let version = try #require(first.version)
        let slots = Slots(digits.folder.appendingPathComponent("bundles/digits"))
        _ = try opened(digits).install([digits.bundle, newer])
        #expect(try slots.state?.current.version == version + 2)
        _ = try slots.start()  // and the process dies while it loads
        #expect(try opened(digits).install([newest]) == [])  // not over what is being tried
        #expect(try slots.state?.current.version == version + 2)
        for _ in 0..<3 {
            let again = try await start([digits.bundle, newer])
            #expect(again.notes == [])
            #expect(again.version == version)
        }
    }

    @Test("an app with an older bundle than the one installed has nothing to say of it")
    func older() async throws {
        let digits = try DigitsBundle()
        defer { digits.clear() }
        let shelf = try opened(digits)
        let newer = try put("better", digits)
        #expect(shelf.install([newer, digits.bundle]) == [])
        #expect(shelf.install([digits.bundle]) == [])
    }

    /// A later version of digits, under its file's name.
    private func put(_ name: String, _ digits: DigitsBundle) throws -> URL {
        let folder = digits.folder.appendingPathComponent(name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let place = folder.appendingPathComponent("digits.zip")
        try FileManager.default.copyItem(at: digits.data.appendingPathComponent("\(name).zip"), to: place)
        return place
    }

    private func opened(_ digits: DigitsBundle) throws -> Shelf {
        try Shelf(
            digits.folder.appendingPathComponent("bundles"), files: digits.folder.appendingPathComponent("files"),
            root: Array(Data(contentsOf: digits.data.appendingPathComponent("root.json"))), engine: digits.engine)
    }

    /// Bright ink on dark ground, three times as large, and taken with the phone upside down.
    private func photo(_ ink: [Bool]) throws -> Picture {
        let side = 3 * inkSide
        let rgba = (0..<side * side).reversed().flatMap { at -> [UInt8] in
            let isInk = ink[at / side / 3 * inkSide + at % side / 3]
            return [isInk ? 255 : 0, isInk ? 250 : 5, isInk ? 240 : 10, 255]
        }
        return try Picture(rgba: rgba, width: side, height: side, orientation: 3)
    }

    @Test("a drawing's points become a picture with the numbers that the data set has")
    func points() throws {
        #expect(try grey(drawing { _, _ in true }).allSatisfy { $0 == 255 })
        let left = try grey(drawing { _, column in column < 16 })
        #expect(Array(left[12..<20]) == [255, 255, 223, 159, 96, 32, 0, 0])  // of 255: 1, 7/8, 5/8, 3/8, 1/8
        #expect(throws: Malformed.self) { try digit([true]) }
    }

    private func grey(_ ink: [Bool]) throws -> [UInt8] {
        try ImageInput(colour: .grey).bytes(digit(ink)).bytes
    }

    @Test("a file that takes bytes and answers probabilities classifies what is drawn as the other one does")
    func bytes() async throws {
        let ring = drawing { row, column in abs(hypot(row - 15.5, (column - 15.5) * 1.5) - 12) < 3 }
        var answers: [[Score]] = []
        for name in ["digits", "bytes"] {
            let digits = try DigitsBundle(name)
            defer { digits.clear() }
            let shelf = try opened(digits)
            #expect(shelf.install([digits.bundle]) == [])
            let product = try #require(shelf.products.first)
            let samples = try Samples(#require(try await shelf.load(product, threads: 1)))
            #expect(samples.contract.logits == (name == "digits" ? "logits" : nil))
            #expect(samples.contract.probabilities == (name == "bytes" ? "logits" : nil))
            answers.append(try await samples.classified(ring))
        }
        #expect(answers[0].map(\.label) == answers[1].map(\.label))
        #expect(zip(answers[0], answers[1]).allSatisfy { abs($0.score - $1.score) < 1e-5 })
    }

    @Test("the output of probabilities is known by its name, and null is none")
    func named() throws {
        let digits = try DigitsBundle()
        defer { digits.clear() }
        func contract(_ about: String) throws -> Contract {
            try Contract(parse(Array(#"{"contract": \#(about)}"#.utf8)), digits.artifact())
        }
        #expect(try contract(#"{"inputs": {}, "probabilities": "scores"}"#).probabilities == "scores")
        #expect(try contract(#"{"inputs": {}, "logits": "scores", "probabilities": null}"#).probabilities == nil)
        #expect(try contract(#"{"inputs": {}, "logits": null}"#).logits == nil)
    }

    @Test("likeness goes from -1 to 1")
    func likeness() {
        #expect(cosine([1, 2], [2, 4]) == 1)
        #expect(cosine([1, 0], [-1, 0]) == -1)
        #expect(cosine([1, 0], [0, 1]) == 0)
        #expect(cosine([0, 0], [0, 1]) == 0)
    }

    private func drawing(_ isInk: (Double, Double) -> Bool) -> [Bool] {
        (0..<inkSide * inkSide).map { isInk(Double($0 / inkSide), Double($0 % inkSide)) }
    }
}
