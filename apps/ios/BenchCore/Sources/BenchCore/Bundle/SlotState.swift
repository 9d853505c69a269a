// Which slot is used, as state.json says it.

/// How far a bundle is trusted: never loaded, loaded and not heard of, found good.
public enum Stage: String, Sendable {
    case new, trying, good
}

/// A slot and the version in it.
public struct Slot: Equatable, Sendable {
    public let name: String
    public let version: Int
}

/// Which slot is used, how far it is trusted, and what worked before it.
public struct SlotState: Equatable, Sendable {
    public let current: Slot
    public let stage: Stage
    public let before: Slot?

    func at(_ stage: Stage) -> SlotState {
        SlotState(current: current, stage: stage, before: before)
    }

    var written: String {
        let before = before.map { #"["\#($0.name)",\#($0.version)]"# } ?? "null"
        return
            #"{"current":"\#(current.name)","version":\#(current.version),"#
            + #""stage":"\#(stage.rawValue)","before":\#(before)}"#
    }
}

extension SlotState {
    /// `Malformed` where the document is no state.
    init(_ about: Object) throws {
        guard let stage = Stage(rawValue: try about.text("stage").description) else { throw Malformed("stage") }
        current = Slot(name: try about.text("current").description, version: try about.whole("version"))
        self.stage = stage
        guard about["before"] != .null else {
            before = nil
            return
        }
        let pair = try about.list("before")
        guard pair.count == 2, let name = pair[0].text, let version = pair[1].whole else { throw Malformed("before") }
        before = Slot(name: name.description, version: version)
    }
}
