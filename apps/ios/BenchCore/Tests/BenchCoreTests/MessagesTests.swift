// The golden messages that every language reads and writes, and the series at which warm-up must stop.

import Foundation
import Testing

@testable import BenchCore

struct MessagesTests {
    private let names = ["job-verify", "job-latency", "result-latency", "result-error"]

    @Test("golden jobs and results come back as they were")
    func golden() throws {
        var same = 0
        for name in names {
            let data = try Data(contentsOf: TestData.file("protocol/\(name).json"))
            let again =
                try name.hasPrefix("job") ? encode(decode(BenchJob.self, data)) : encode(decode(BenchResult.self, data))
            let (one, other) = (plain(try decode(JSON.self, data)), plain(try decode(JSON.self, again)))
            #expect(one == other, "\(name)")
            same += one == other ? 1 : 0
        }
        print("\(same) of \(names.count) golden messages come back as they were")
    }

    @Test("the same message gives the same bytes")
    func sorted() throws {
        let data = try Data(contentsOf: TestData.file("protocol/job-latency.json"))
        let once = try encode(decode(BenchJob.self, data))
        #expect(try encode(decode(BenchJob.self, once)) == once)
        #expect(
            String(decoding: once, as: UTF8.self).hasPrefix(#"{"artifact":{"format":"onnx","name":"","path":"files/"#))
    }

    @Test("warm-up stops where the golden series say")
    func warmUps() async throws {
        let series = try decode([Series].self, Data(contentsOf: TestData.file("protocol/warmup.json")))
        for one in series {
            var samples = one.samples.makeIterator()
            let warm = await warmUp(one.stop) { samples.next() ?? 0 }
            #expect(warm.samples.count == one.iterations, "\(one.name)")
            #expect(warm.stop == one.warmupStop, "\(one.name)")
        }
        print("\(series.count) golden series read")
        #expect(series.count > 3)
    }

    private struct Series: Decodable {
        let name: String
        let stop: Stop
        let samples: [Int]
        let iterations: Int
        let warmupStop: WarmUpStop
    }

    /// With numbers by their values: 30.0 is 30.
    private func plain(_ value: JSON) -> JSON {
        switch value {
        case .object(let members): .object(members.mapValues(plain))
        case .array(let elements): .array(elements.map(plain))
        case .number: .number(ExactText("\(value.double ?? .nan)"))
        default: value
        }
    }
}
