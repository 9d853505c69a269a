// Warm-up and sampling; the same algorithm, to the letter, as in apps/agents/python/agent.py.

import Foundation

public enum WarmUpStop: String, Codable, Sendable {
    case steady, min
    case maxTime = "max_time"
}

private let fastRate = 0.1
private let slowRate = 0.005
private let near = 0.04
private let agreeingCalls = 40
private let fewestCalls = 3

/// Call `sample` (it answers nanoseconds) until it is steady: two exponential averages of rate 0.1 and 0.005, each
/// corrected for its start, within 4% of one another more than 40 times in a row (adaptive), or the limits.
func warmUp(_ stop: Stop, _ sample: () async throws -> Int) async rethrows -> (samples: [Int], stop: WarmUpStop) {
    let (least, shortest, longest) = (stop.minIters ?? 0, stop.minNs ?? 0, stop.maxNs ?? 0)
    let isAdaptive = stop.adaptive ?? false
    var samples: [Int] = []
    var (fast, slow) = (0.0, 0.0)
    var (elapsed, agreeing) = (0, 0)
    while true {
        let isEnough = samples.count >= least && elapsed >= shortest
        if isAdaptive && isEnough && agreeing > agreeingCalls { return (samples, .steady) }
        if !isAdaptive && isEnough { return (samples, .min) }
        // a slow model may spend the whole time on fewer than min_iters, but never on fewer than 3
        let isLate = elapsed >= longest && samples.count >= min(least, fewestCalls)
        if isLate || stop.maxIters.map({ samples.count >= $0 }) ?? false { return (samples, .maxTime) }
        let taken = try await sample()
        samples.append(taken)
        elapsed += taken
        fast += fastRate * (Double(taken) - fast)
        slow += slowRate * (Double(taken) - slow)
        let count = Double(samples.count)
        let (a, b) = (fast / (1 - pow(1 - fastRate, count)), slow / (1 - pow(1 - slowRate, count)))
        agreeing = abs(a - b) <= near * b ? agreeing + 1 : 0
    }
}

/// At least one; then min_iters and min_ns, unless max_ns or max_iters comes first.
func isFinished(_ count: Int, _ elapsed: Int, _ stop: Stop) -> Bool {
    guard count > 0 else { return false }
    if elapsed >= stop.maxNs ?? 0 || stop.maxIters.map({ count >= $0 }) ?? false { return true }
    return count >= stop.minIters ?? 0 && elapsed >= stop.minNs ?? 0
}

/// Nanoseconds of so many calls.
func timed(_ clock: some MonotonicClock, _ call: () async throws -> Void, repeats: Int = 1) async rethrows -> Int {
    let start = clock.nowNs()
    for _ in 0..<repeats { try await call() }
    return clock.nowNs() - start
}
