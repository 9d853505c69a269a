/** Drawings become the numbers that the digits' data has. */
package edgeship.app

import edgeship.engine.floats
import kotlin.test.Test
import kotlin.test.assertEquals

class DigitTest {
    @Test
    fun `an inked page is 1 everywhere and an empty one 0`() {
        assertEquals(setOf(1f), floats(digit(BooleanArray(SIDE * SIDE) { true })).toSet())
        assertEquals(setOf(0f), floats(digit(BooleanArray(SIDE * SIDE))).toSet())
    }

    @Test
    fun `a block of ink fades as scipy's zoom enlarges it`() {
        val ink = BooleanArray(SIDE * SIDE) { it / SIDE in 8..11 && it % SIDE < 4 } // the block in row 2, column 0
        val row = floats(digit(ink)).toList().subList(10 * SIDE, 10 * SIDE + 10)
        // zoom([1, 0, …], 4, order=1, mode="nearest", grid_mode=True), times 0.875 for the row half a point off the middle
        val wanted = listOf(1.0, 1.0, 0.875, 0.625, 0.375, 0.125, 0.0, 0.0, 0.0, 0.0).map { (it * 0.875).toFloat() }
        assertEquals(wanted, row)
    }
}
