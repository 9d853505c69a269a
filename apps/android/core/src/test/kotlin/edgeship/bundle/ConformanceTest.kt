/** The conformance suites, as tests/hostile_bundles.py writes them. */
package edgeship.bundle

import java.io.File
import kotlin.test.Test
import kotlin.test.assertEquals

class ConformanceTest {
    @Test
    fun `every hostile bundle is refused with its reason`() {
        val cases = File(System.getProperty("edgeship.data"), "cases.jsonl")
        check(cases.isFile) { "$cases is missing: run `make android-data`" }
        val asked = cases.readLines().map { parse(it.toByteArray()) }
        val expected = asked.associate { it.text("name") to it.text("reason") }
        assertEquals(expected, asked.associate { it.text("name") to answer(it) })
        val hostile = expected.values.count { it != "fine" }
        println("$hostile of $hostile hostile bundles refused, each with its reason; ${asked.size - hostile} sound ones taken")
    }

    @Test
    fun `the suites meet every reason`() {
        val cases = File(System.getProperty("edgeship.data"), "cases.jsonl").readLines().map { parse(it.toByteArray()) }
        assertEquals(Reason.entries.map { it.word }.toSet() + "fine", cases.map { it.text("reason") }.toSet())
    }
}
