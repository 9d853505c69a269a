// The command line that the conformance suites drive: one line for each line of a file.
//
// conformance bundles CASES: cases of tests/hostile_bundles.py, answered as `python -m board conformance` does.
// conformance documents CASES: bytes in hexadecimal, answered with whether they are a document.

import BenchCore
import Foundation

let suites: [String: (String) throws -> String] = [
    "bundles": { #"{"reason": "\#(try answer(parse(Array($0.utf8))))"}"# },
    "documents": { (try? parse(bytes($0))) == nil ? "refused" : "taken" },
]

func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = hexadecimal.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

guard CommandLine.arguments.count == 3, let answered = suites[CommandLine.arguments[1]] else {
    FileHandle.standardError.write(Data("usage: conformance \(suites.keys.sorted().joined(separator: "|")) CASES\n".utf8))
    exit(2)
}
let text = try String(contentsOfFile: CommandLine.arguments[2], encoding: .utf8)
for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
    print(try answered(String(line)))
}
