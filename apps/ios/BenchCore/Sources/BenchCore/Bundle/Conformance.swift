// One case of the conformance suites, as tests/hostile_bundles.py writes them.

import Foundation

/// "fine", or the word of the reason.
public func answer(_ asked: Object) throws -> String {
    func optional(_ key: ExactText) throws -> String? {
        asked[key] == nil ? nil : try asked.text(key).description
    }
    let runtimes = try asked.member("runtimes").map { key, value in (key.description, value.text?.description ?? "") }
    let device = Device(
        now: try asked.text("now").description, installed: asked["installed"]?.whole,
        compatible: try optional("compatible"), abi: try optional("abi"),
        runtimes: Dictionary(uniqueKeysWithValues: runtimes))
    let root = try Data(contentsOf: URL(fileURLWithPath: try asked.text("root").description))
    let bundle = URL(fileURLWithPath: try asked.text("bundle").description)
    do {
        _ = try verify(bundle, anchor(Array(root)), device)
        return "fine"
    } catch let refused as Refused {
        return refused.reason.rawValue
    }
}
