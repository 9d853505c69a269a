// The conformance suites, as tests/hostile_bundles.py writes them.

import BenchCore
import Foundation
import Testing

struct ConformanceTests {
    private func cases() throws -> [Object] {
        try String(contentsOf: TestData.file("cases.jsonl"), encoding: .utf8).split(separator: "\n").map {
            try parse(Array($0.utf8))
        }
    }

    @Test("every hostile bundle is refused with its reason")
    func refusals() throws {
        let asked = try cases()
        let hostile = try asked.filter { try $0.text("reason") != "fine" }.count
        var refused = 0
        for one in asked {
            let (name, expected) = (try one.text("name"), try one.text("reason").description)
            let answered = try answer(one)
            #expect(answered == expected, "\(name)")
            refused += answered == expected && answered != "fine" ? 1 : 0
        }
        print(
            "\(refused) of \(hostile) hostile bundles refused, each with its reason;",
            "\(asked.count - hostile) sound ones taken"
        )
    }

    @Test("the suites meet every reason")
    func reasons() throws {
        let met = Set(try cases().map { try $0.text("reason").description })
        #expect(met == Set(Reason.allCases.map(\.rawValue) + ["fine"]))
    }
}
