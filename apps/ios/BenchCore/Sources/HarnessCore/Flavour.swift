// What the targets of the app differ in: each has one runtime.

import BenchCore

public struct Flavour: Sendable {
    public let runtime: Runtime
    /// Forget what the system compiled of models, so that the next load is a first one.
    public let forget: @Sendable () throws -> Void

    public init(_ runtime: Runtime, forget: @escaping @Sendable () throws -> Void = {}) {
        (self.runtime, self.forget) = (runtime, forget)
    }
}
