// The command line that the conformance suites drive: one line for each line of a file.
//
// conformance bundles CASES: cases of tests/hostile_bundles.py, answered as `python -m board conformance` does.
// conformance documents CASES: bytes in hexadecimal, answered with whether they are a document.
// conformance contract CASES OUT: cases of tests/parity_cases.py, their answers written below a folder.

import BenchCore
import Foundation

func bytes(_ hexadecimal: String) -> [UInt8] {
    let digits = hexadecimal.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

func contract(_ line: String, _ number: Int, _ cases: URL, _ out: URL) throws -> String {
    var error = "null"
    do {
        try answerContract(parse(Array(line.utf8)), in: cases.deletingLastPathComponent(), out: out)
    } catch let problem {
        error = String(decoding: try encode(JSON.text(ExactText("\(type(of: problem)): \(problem)"))), as: UTF8.self)
    }
    return #"{"case": \#(number), "error": \#(error)}"#
}

let words = Array(CommandLine.arguments.dropFirst())
let answered: (String, Int) throws -> String
switch (words.first, words.count) {
case ("bundles", 2): answered = { line, _ in #"{"reason": "\#(try answer(parse(Array(line.utf8))))"}"# }
case ("documents", 2): answered = { line, _ in (try? parse(bytes(line))) == nil ? "refused" : "taken" }
case ("contract", 3):
    answered = { try contract($0, $1, URL(fileURLWithPath: words[1]), URL(fileURLWithPath: words[2])) }
default:
    FileHandle.standardError.write(Data("usage: conformance bundles|documents CASES, or contract CASES OUT\n".utf8))
    exit(2)
}
let text = try String(contentsOfFile: words[1], encoding: .utf8)
for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().enumerated() {
    print(try answered(String(line), number))
}
