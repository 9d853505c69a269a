/** Jobs that Python made, executed here; their results are checked by tests/e2e/test_android.py, too. */
package edgeship.engine

import ai.onnxruntime.providers.NNAPIFlags
import edgeship.bench.Agent
import edgeship.bench.Cpu
import edgeship.bench.DeviceFacts
import edgeship.bench.Environment
import edgeship.bench.Job
import edgeship.bench.LATENCY
import edgeship.bench.MESSAGES
import edgeship.bench.Machine
import edgeship.bench.NoJob
import edgeship.bench.OperatingSystem
import edgeship.bench.ProcMemory
import edgeship.bench.Runtime
import edgeship.bench.Stop
import edgeship.bench.SystemClock
import edgeship.bench.VERSION
import edgeship.bench.answer
import edgeship.bench.write
import edgeship.bench.writeJob
import edgeship.bundle.Artifact
import edgeship.bundle.Device
import edgeship.bundle.anchor
import edgeship.bundle.verify
import java.io.File
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class AgentTest {
    private val jobs = File(System.getProperty("edgeship.data"), "jobs")
    private val arch = if (System.getProperty("os.arch") == "aarch64") "arm64" else "x86_64"
    private val machine = Machine(
        Agent("android", VERSION, "release", importsTorch = false),
        DeviceFacts(os = OperatingSystem("linux"), cpu = Cpu(arch)),
        SystemClock,
        ProcMemory(),
        thermal = { Environment(it, thermal = "none") },
    )
    private val runtimes = listOf(Runtime("onnxruntime", listOf("cpu", "xnnpack", "nnapi"), ::OnnxEngine))

    private fun answered(mode: String) = answer(File(jobs, "$mode.json"), runtimes, machine).also {
        write(it, File(jobs, "result-$mode.json"))
    }

    @Test
    fun `every mode is answered with what it asks for`() {
        val told = MODES.associateWith { answered(it).runs.single() }
        told.forEach { (mode, run) -> assertNull(run.error, mode) }
        val latency = told.getValue("latency")
        assertTrue(latency.samples.orEmpty().size >= 20)
        assertTrue(latency.samples.orEmpty().all { it > 0 })
        val cold = assertNotNull(latency.cold)
        assertTrue(listOf(cold.runtimeInit, cold.load, cold.prepare, cold.firstInference).all { it != null })
        assertEquals("none", latency.env?.first()?.thermal)
        assertTrue(assertNotNull(told.getValue("throughput").completed) > 0)
        assertTrue(told.getValue("sustained").windows.orEmpty().sumOf { it.completed } > 0)
        assertEquals(3, told.getValue("rounds").resident?.size)
        val memory = assertNotNull(told.getValue("memory").memory)
        assertTrue(memory.peak.orEmpty().getValue("vm_hwm") >= memory.loaded.orEmpty().getValue("vm_rss"))
        println("${MODES.size} of ${MODES.size} jobs answered by onnxruntime, ${latency.samples?.size} latencies measured")
    }

    @Test
    fun `outputs are captured as Python's agent captured them`() {
        val run = answered("verify").runs.single()
        assertNull(run.error)
        assertContentEquals(File(jobs, "expected.bin").readBytes(), File(jobs, "outputs.bin").readBytes())
        assertEquals(listOf<Long>(1, 10), run.outputs?.last()?.single()?.shape)
    }

    @Test
    fun `state is fed back from one case to the next`() {
        val run = answered("feedback").runs.single()
        assertNull(run.error)
        assertContentEquals(File(jobs, "expected-feedback.bin").readBytes(), File(jobs, "outputs-feedback.bin").readBytes())
    }

    @Test
    fun `an app makes jobs of its own out of a bundle`() {
        val data = jobs.parentFile
        val bundle = verify(File(data, "digits.zip"), anchor(File(data, "root.json").readBytes()), Device("2026-01-01T00:00:00Z"))
        val folder = File(jobs, "own").apply { mkdirs() }
        val brief = LATENCY.copy(warmup = Stop(minIters = 5, maxNs = 1_000_000_000), measure = Stop(minIters = 5, maxNs = 1_000_000_000))
        val job = writeJob(Artifact(bundle, bundle.artifacts.single()), folder, brief, threads = 1)
        val result = answer(job, runtimes, machine)
        write(result, File(jobs, "result-own.json"))
        assertNull(result.runs.single().error)
        assertEquals(5, result.runs.single().samples?.size)
    }

    @Test
    fun `what goes wrong is an error with its phase and what came before it is told`() {
        val run = answered("broken").runs.single()
        assertEquals("load", run.error?.phase)
        assertNotNull(run.cold?.runtimeInit)
        assertEquals("UNSUPPORTED_JOB", answered("profile").runs.single().error?.code)
        val none = assertFailsWith<NoJob> { answer(File(jobs, "expected.bin"), runtimes, machine) }
        assertContains(none.message.orEmpty(), "is not a bench-job/1")
    }

    @Test
    fun `a backend that cannot be had is an error of loading, never the CPU`() {
        val asked = MESSAGES.decodeFromString(Job.serializer(), File(jobs, "sustained.json").readText())
        for (backend in listOf("nnapi", "xnnpack")) { // this JVM's build has neither
            val file = File(jobs, "on-$backend.json")
            file.writeText(MESSAGES.encodeToString(Job.serializer(), asked.copy(runtime = asked.runtime.copy(backend = backend))))
            val result = answer(file, runtimes, machine)
            val run = result.runs.single()
            assertEquals("load" to "NO_BACKEND", run.error?.phase to run.error?.code)
            assertContains(run.error?.message.orEmpty(), "no $backend here for this file: OrtException")
            assertNull(run.windows)
            assertEquals(backend, result.runtime.backend)
            println(run.error?.message)
        }
    }

    @Test
    fun `NNAPI computes in half precision where a job says so, and its own kernels for the CPU are no NPU`() {
        assertEquals(setOf(NNAPIFlags.CPU_DISABLED), nnapiFlags(float16 = false))
        assertEquals(setOf(NNAPIFlags.CPU_DISABLED, NNAPIFlags.USE_FP16), nnapiFlags(float16 = true))
    }

    private companion object {
        val MODES = listOf("verify", "latency", "throughput", "sustained", "cold", "memory", "rounds")
    }
}
