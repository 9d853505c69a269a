// The order of scores, where floating-point numbers have one of their own.

import EdgeshipContract
import Testing

struct ScoresTests {
    @Test("of equal scores the lower index comes first, and what is no number comes last")
    func order() {
        #expect(topK([-1, -0.0, 0, -0.0], 4).map(\.index) == [1, 2, 3, 0])
        #expect(topK([.nan, -1, .nan, 2], 4).map(\.index) == [3, 1, 0, 2])
    }
}
