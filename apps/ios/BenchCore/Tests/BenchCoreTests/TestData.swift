// What tests/ios_data.py made.

import Foundation

enum TestData {
    /// A file in $EDGESHIP_DATA.
    static func file(_ name: String) throws -> URL {
        guard let folder = ProcessInfo.processInfo.environment["EDGESHIP_DATA"], !folder.isEmpty else {
            throw Missing(description: "EDGESHIP_DATA names no folder: run `make test-ios-core`")
        }
        return URL(fileURLWithPath: folder).appendingPathComponent(name)
    }

    struct Missing: Error, CustomStringConvertible {
        let description: String
    }
}
