/** Drawings become pictures with the numbers that the digits' data has. */
package edgeship.app

import kotlin.math.roundToInt
import kotlin.test.Test
import kotlin.test.assertEquals

class DigitTest {
    @Test
    fun `an inked page is white everywhere and an empty one black`() {
        assertEquals(setOf(255), grey(BooleanArray(SIDE * SIDE) { true }).toSet())
        assertEquals(setOf(0), grey(BooleanArray(SIDE * SIDE)).toSet())
    }

    @Test
    fun `a block of ink fades as scipy's zoom enlarges it`() {
        val ink = BooleanArray(SIDE * SIDE) { it / SIDE in 8..11 && it % SIDE < 4 } // the block in row 2, column 0
        val row = grey(ink).subList(10 * SIDE, 10 * SIDE + 10)
        // zoom([1, 0, …], 4, order=1, mode="nearest", grid_mode=True), times 0.875 for the row half a point off the middle
        val wanted = listOf(1.0, 1.0, 0.875, 0.625, 0.375, 0.125, 0.0, 0.0, 0.0, 0.0).map { (it * 0.875 * 255).roundToInt() }
        assertEquals(wanted, row)
    }

    private fun grey(ink: BooleanArray): List<Int> = digit(ink).rgba.toList().chunked(4) { it.map(Byte::toUByte).toSet().single().toInt() }
}
