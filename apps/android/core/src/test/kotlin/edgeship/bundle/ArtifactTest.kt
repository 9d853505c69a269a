/** The health check: what a device's answers are worth against the golden ones. */
package edgeship.bundle

import edgeship.engine.Model
import edgeship.engine.Tensor
import edgeship.engine.buffer
import edgeship.engine.numbers
import java.io.File
import kotlin.math.pow
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

class ArtifactTest {
    private val data = File(System.getProperty("edgeship.data"), "slots")
    private val bundle = verify(File(data, "answers"), anchor(File(data, "root.json").readBytes()), Device("2026-11-30T12:00:00Z"))

    private fun artifact(name: String) = Artifact(bundle, bundle.manifest.members("artifacts").first { it.text("name") == name })

    /** Of answers that are the golden ones but for what [change] does to an output's numbers. */
    private fun sqnrDb(name: String, change: (String, Tensor) -> Tensor = { _, tensor -> tensor }): Double {
        val artifact = artifact(name)
        return artifact.sqnrDb(Answering(artifact.outputs(0).zip(artifact.outputNames) { tensor, output -> change(output, tensor) }))
    }

    private fun zeros(tensor: Tensor) = Tensor(tensor.dtype, tensor.shape, buffer(tensor.data.remaining()))

    @Test
    fun `a small output that is wrong does not hide behind a large one`() {
        assertEquals(Double.POSITIVE_INFINITY, sqnrDb("uneven"))
        assertEquals(0.0, sqnrDb("uneven") { output, tensor -> if (output == "small") zeros(tensor) else tensor })
    }

    @Test
    fun `equal answers of zeros are without noise`() {
        assertEquals(Double.POSITIVE_INFINITY, sqnrDb("silent"))
    }

    @Test
    fun `answers that are no numbers are worth nothing`() {
        val found = sqnrDb("uneven") { output, tensor ->
            if (output == "large") zeros(tensor).also { it.data.putFloat(0, Float.NaN) } else tensor
        }
        assertEquals(Double.NEGATIVE_INFINITY, found)
    }

    @Test
    fun `a model with fewer outputs than the artifact is refused`() {
        val artifact = artifact("uneven")
        assertFailsWith<IllegalArgumentException> { artifact.sqnrDb(Answering(artifact.outputs(0).take(1))) }
    }

    @Test
    fun `answers in float16 are read`() {
        assertEquals(Double.POSITIVE_INFINITY, sqnrDb("half"))
        assertEquals(0.0, sqnrDb("half") { _, tensor -> zeros(tensor) })
    }

    @Test
    fun `halves are the numbers that IEEE 754 has`() {
        val bits = listOf(0x3C00, 0xC100, 0x0001, 0x03FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00, 0x8000)
        val wanted = listOf(
            1.0, -2.5, 2.0.pow(-24), 1023 * 2.0.pow(-24), 2.0.pow(-14), 65504.0, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, -0.0,
        )
        assertEquals(wanted, numbers(tensor("float16", bits)).toList())
        assertTrue(numbers(tensor("float16", listOf(0x7E00))).single().isNaN())
        assertEquals(listOf(1.0, -2.5), numbers(tensor("bfloat16", listOf(0x3F80, 0xC020))).toList())
    }

    private fun tensor(dtype: String, bits: List<Int>): Tensor {
        val data = buffer(2 * bits.size)
        bits.forEach { data.putShort(it.toShort()) }
        return Tensor(dtype, longArrayOf(bits.size.toLong()), data.flip())
    }
}

/** Gives the same answers to whatever it is asked. */
private class Answering(private val answers: List<Tensor>) : Model {
    override fun feed(inputs: List<Tensor>) {}

    override fun invoke() {}

    override fun fetch(): List<Tensor> = answers

    override fun close() {}
}
