/** The golden messages that every language reads and writes, and the series at which warm-up must stop. */
package edgeship.bench

import java.io.File
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlinx.serialization.KSerializer
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long

class MessagesTest {
    private val golden = File(System.getProperty("edgeship.data"), "protocol")

    @Test
    fun `golden jobs and results come back as they were`() {
        val files = golden.listFiles().orEmpty().filter { it.name.startsWith("job-") || it.name.startsWith("result-") }
        for (file in files) {
            val message = MESSAGES.parseToJsonElement(file.readText())
            val serializer = if (file.name.startsWith("job-")) Job.serializer() else Result.serializer()
            assertEquals(plain(message), plain(again(serializer, message)), file.name)
        }
        println("${files.size} of ${files.size} golden messages come back as they were")
        assertEquals(4, files.size)
    }

    @Test
    fun `warm-up stops where the golden series say`() {
        val series = MESSAGES.parseToJsonElement(File(golden, "warmup.json").readText()).jsonArray.map { it.jsonObject }
        for (one in series) {
            val samples = one.getValue("samples").jsonArray.map { it.jsonPrimitive.long }.iterator()
            val warm = warmUp(MESSAGES.decodeFromJsonElement(Stop.serializer(), one.getValue("stop"))) { samples.next() }
            val told = "${warm.samples.size} ${warm.stop}"
            assertEquals("${one["iterations"]} ${one.getValue("warmup_stop").jsonPrimitive.content}", told, "${one["name"]}")
        }
        println("${series.size} of ${series.size} golden series stop warm-up where they must")
    }

    @Test
    fun `a job that asks for more than this agent does is refused by its field`() {
        val runtimes = listOf(Runtime("onnxruntime", listOf("cpu")) { error("never started") })
        val job = MESSAGES.decodeFromString(Job.serializer(), File(golden, "job-latency.json").readText())
        fun asked(config: Config = job.config.copy(timedRegion = "invoke", inputs = "file"), runtime: JobRuntime = job.runtime) =
            job.copy(config = config, runtime = runtime)
        assertNull(refusal(asked(), runtimes))
        val refused = listOf(
            job to "config.timed_region: this agent cannot do invoke+io (android 1 can: invoke)",
            asked(asked().config.copy(mode = "profile")) to "config.mode: this agent cannot do profile (android 1 can: verify, latency",
            asked(runtime = job.runtime.copy(backend = "gpu")) to "runtime.backend: this agent cannot do gpu (android 1 can: cpu)",
            asked().copy(schema = "bench-job/2") to "schema: this agent cannot do bench-job/2",
            asked().copy(requires = listOf("config.pin_cpus")) to "requires: this agent cannot do config.pin_cpus",
        )
        for ((one, said) in refused) assertContains(refusal(one, runtimes).orEmpty(), said)
    }

    private fun <T> again(serializer: KSerializer<T>, message: JsonElement): JsonElement =
        MESSAGES.encodeToJsonElement(serializer, MESSAGES.decodeFromJsonElement(serializer, message))

    /** With numbers by their values: 1.0E-4 is 0.0001. */
    private fun plain(element: JsonElement): Any = when (element) {
        is JsonObject -> element.mapValues { plain(it.value) }
        is JsonArray -> element.map(::plain)
        is JsonPrimitive -> when {
            element.isString -> "text ${element.content}"
            element.content in setOf("true", "false") -> element.boolean
            else -> element.content.toBigDecimal().stripTrailingZeros()
        }
    }
}
