/** The order of scores, where floating-point numbers have one of their own. */
package edgeship.contract

import kotlin.test.Test
import kotlin.test.assertEquals

class ScoresTest {
    private fun order(vararg values: Float) = topK(values, values.size).map { it.index }

    @Test
    fun `zeros are equal whatever their sign`() {
        assertEquals(listOf(1, 2, 3, 0), order(-1f, -0f, 0f, -0f))
    }

    @Test
    fun `what is no number comes last`() {
        assertEquals(listOf(3, 1, 0, 2), order(Float.NaN, -1f, Float.NaN, 2f))
    }
}
