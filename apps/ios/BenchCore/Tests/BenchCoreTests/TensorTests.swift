// Numbers as Core ML takes them.

import Testing

@testable import BenchCore

struct TensorTests {
    @Test("whole numbers of every size are made int32")
    func whole() throws {
        let ids = try Tensor([-1, 0, 30521, Int64(Int32.max)], [2, 2]).int32s()
        #expect((ids.dtype, ids.shape) == (.int32, [2, 2]))
        #expect(ids.numbers() == [-1, 0, 30521, Double(Int32.max)])
        #expect(try Tensor(.uint8, [1, 3], [0, 7, 255]).int32s().numbers() == [0, 7, 255])
        #expect(try Tensor(.int8, [1], [255]).int32s().numbers() == [-1])
    }

    @Test("what int32 does not hold is refused")
    func others() throws {
        #expect(throws: WrongTensor.self) { try Tensor([Int64(Int32.max) + 1], [1]).int32s() }
        #expect(throws: WrongTensor.self) { try Tensor([Float(1)], [1]).int32s() }
    }
}
