/** What delegates are asked for; made they are by Android's libraries alone, and what is said without these is no silence. */
package edgeship.engine

import java.io.File
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

class DelegatesTest {
    private fun load(backend: String) = Load(File("none.tflite"), emptyList(), emptyList(), backend = backend)

    @Test
    fun `half precision is allowed where a job says so, and nowhere else`() {
        assertFalse(gpuOptions(float16 = false).isPrecisionLossAllowed)
        assertTrue(gpuOptions(float16 = true).isPrecisionLossAllowed)
        assertFalse(nnapiOptions(float16 = false).allowFp16)
        assertTrue(nnapiOptions(float16 = true).allowFp16)
    }

    @Test
    fun `NNAPI's own kernels for the CPU are no NPU`() {
        assertEquals(false, nnapiOptions(float16 = false).useNnapiCpu)
    }

    @Test
    fun `a delegate that cannot be made is an error`() {
        for (backend in listOf("gpu", "nnapi", "tpu")) {
            val error = assertFailsWith<NoBackend> { onBackend(backend) { delegate(load(backend)) } }
            assertContains(error.message.orEmpty(), "no $backend here for this file: ")
            println(error.message)
        }
    }

    @Test
    fun `an option that is neither true nor false is not guessed`() {
        val options = JsonObject(mapOf("float16" to JsonPrimitive("maybe")))
        val load = Load(File("none.tflite"), emptyList(), emptyList(), backend = "gpu", options = options)
        assertFailsWith<IllegalArgumentException> { delegate(load) }
    }
}
