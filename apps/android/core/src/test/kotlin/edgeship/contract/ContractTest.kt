/** The contract's conformance cases, as tests/parity_cases.py writes them: what Pillow, transformers and numpy answer. */
package edgeship.contract

import edgeship.bundle.number
import edgeship.bundle.parse
import edgeship.bundle.text
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlinx.serialization.json.JsonObject

class ContractTest {
    private val data = File(System.getProperty("edgeship.data"), "contract")

    @Test
    fun `all cases are answered as Python answers them`() {
        val answers = File(data, "answers").apply { deleteRecursively() }
        main(arrayOf(File(data, "cases.jsonl").path, answers.path))
        val asked = sortedMapOf<String, Int>()
        val equal = sortedMapOf<String, Int>()
        val wrong = mutableListOf<String>()
        for (case in File(data, "cases.jsonl").readLines().map { parse(it.toByteArray()) }) {
            val name = case.text("out").substringBefore("/")
            val hits = hits(case, File(data, "expected/${case.text("out")}").readBytes(), File(answers, case.text("out")).readBytes())
            asked.merge(name, hits.size, Int::plus)
            equal.merge(name, hits.count { it }, Int::plus)
            if (false in hits) wrong += "${case.text("out")} ${hits.indexOf(false)}"
        }
        println("contract: ${asked.entries.joinToString { "${it.key} ${equal[it.key]} of ${it.value}" }}")
        assertEquals(emptyList(), wrong.take(10))
    }

    @Test
    fun `the output of probabilities is known by its name, and null is none`() {
        fun contract(about: String) = Contract(parse(about.toByteArray())) { ByteArray(0) }
        assertEquals("scores", contract("""{"inputs": {}, "probabilities": "scores"}""").probabilities)
        assertEquals(null, contract("""{"inputs": {}, "logits": "scores", "probabilities": null}""").probabilities)
        assertEquals(null, contract("""{"inputs": {}, "logits": null}""").logits)
    }

    /** For each line of texts, else for the one answer, whether it is equal. */
    private fun hits(case: JsonObject, expected: ByteArray, found: ByteArray): List<Boolean> {
        if (case.text("kind") in setOf("softmax", "sound")) {
            val pairs = numbers(expected).zip(numbers(found))
            return listOf(pairs.all { (one, other) -> abs(one - other) <= TOLERANCE * (1 + abs(one)) } && expected.size == found.size)
        }
        val row = if (case.text("kind") == "text") 3 * 8 * case.number("max_length").toInt() else expected.size
        return (0 until expected.size / row).map {
            expected.size == found.size && expected.copyOfRange(it * row, (it + 1) * row).contentEquals(found.copyOfRange(it * row, (it + 1) * row))
        }
    }

    private fun numbers(data: ByteArray): List<Float> =
        ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().let { values -> List(values.remaining()) { values[it] } }

    private companion object {
        const val TOLERANCE = 1e-6f
    }
}
