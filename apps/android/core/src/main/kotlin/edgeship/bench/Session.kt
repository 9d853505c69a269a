/** Executes one job on an engine, step by step: cold start in its parts, then what the mode asks for. */
package edgeship.bench

import edgeship.engine.Engine
import edgeship.engine.Load
import edgeship.engine.Model
import edgeship.engine.NoBackend
import edgeship.engine.Tensor
import java.io.File
import kotlin.concurrent.thread

/** A runtime by its name; [start] is what `runtime_init` times. [backends]: which of a job's it can do. */
class Runtime(val name: String, val backends: List<String>, val start: () -> Engine)

/** Where a run is: start, load, warmup, measure, collect; told to whoever shows it. */
fun interface Progress {
    fun at(phase: String)
}

private const val ENVIRONMENT_NS = 1_000_000_000L
private const val TICKS = 100L

class Session(
    private val job: Job,
    private val folder: File,
    private val runtime: Runtime,
    private val machine: Machine,
    private val progress: Progress,
) {
    private val clock = machine.clock
    private val cold = Cold(processStart = machine.processStartNs, pageCache = "unknown")
    private val run = Run(
        startedAt = utcNow(),
        clock = ClockFacts(clock.source, resolutionNs(clock)),
        cold = cold,
    )
    private val began = clock.nowNs()
    private var environment = emptyList<Environment>()
    private var phase = "start"
    private var engine: Engine? = null

    /** The runtime's, once it was started. */
    val version: String get() = engine?.version ?: "unknown"

    /** Any failure becomes [Run.error]: an app does not end because a file cannot be loaded. */
    fun execute(): Run {
        try {
            watch()
            steps()
        } catch (error: NoBackend) { // whatever the mode: before anything was computed
            run.error = RunError("load", error.message.orEmpty(), "NO_BACKEND")
        } catch (error: Exception) {
            run.error = RunError(phase, "${error.javaClass.simpleName}: ${error.message}")
        } catch (error: LinkageError) { // a runtime without its library
            run.error = RunError(phase, "${error.javaClass.simpleName}: ${error.message}")
        } catch (error: OutOfMemoryError) {
            run.error = RunError(phase, "${error.javaClass.simpleName}: ${error.message}")
        }
        if (environment.isNotEmpty()) run.env = environment
        return run
    }

    private fun steps() {
        val config = job.config
        enter("start")
        val first = readCase(job.cases.first(), folder)
        if (config.mode == "memory") run.memory = Memory(baseline = machine.memory.resetPeak())
        if (config.mode == "sustained" || config.mode == "rounds") {
            enter("measure")
            if (config.mode == "sustained") sustained(first) else rounds(first)
            return
        }
        step({ cold.runtimeInit = it }) { engine = runtime.start() }
        enter("load")
        val model = step({ cold.load = it }) { open() }
        model.use {
            step({ cold.prepare = it }) { model.prepare(first) }
            run.memory?.loaded = machine.memory.counters()
            if (config.mode == "latency" || config.mode == "throughput") {
                enter("warmup")
                model.feed(first)
                step({ cold.firstInference = it }, model::invoke)
                System.gc() // a collection in the middle of a sample would be ours, not the model's
                val warm = warmUp(config.warmup) { timed(clock, call = model::invoke).also { watch() } }
                run.warmup = warm.samples.toList()
                run.warmupStop = warm.stop
                enter("measure")
                if (config.mode == "latency") measure(model, warm.samples) else throughput(model)
            }
            enter("collect")
            if (config.mode in setOf("verify", "memory", "cold") || job.capture != null) play(model)
            run.memory?.peak = machine.memory.counters()
            run.memory?.peakMethod = "kernel"
        }
    }

    private fun enter(name: String) {
        phase = name
        progress.at(name)
    }

    private fun <T> step(told: (Long) -> Unit, action: () -> T): T {
        val start = clock.nowNs()
        return action().also { told(clock.nowNs() - start) }
    }

    private fun open(): Model {
        val started = engine ?: runtime.start().also { engine = it }
        val names = job.cases.first().map { it.name }
        val file = File(folder, job.artifact.path)
        return started.open(Load(file, names, job.outputs, job.runtime.threads, job.runtime.backend, job.runtime.options))
    }

    /** The machine's state, at most once a second. */
    private fun watch() {
        val thermal = machine.thermal ?: return
        val at = clock.nowNs() - began
        if (environment.isEmpty() || at - environment.last().t >= ENVIRONMENT_NS) environment = environment + thermal.state(at)
    }

    /** Raw samples over the cases in turn; calls shorter than 100 clock ticks are batched into one sample. */
    private fun measure(model: Model, warm: Samples) {
        val stop = job.config.measure
        val cases = job.cases.map { readCase(it, folder) }
        val typical = maxOf(warm.median() ?: cold.firstInference ?: 1, 1)
        val repeat = maxOf(1, (TICKS * checkNotNull(run.clock).resolution + typical - 1) / typical)
        val samples = Samples()
        val start = clock.nowNs()
        while (!finished(samples.size * repeat, clock.nowNs() - start, stop)) {
            if (cases.size > 1) model.feed(cases[samples.size % cases.size])
            samples.add(timed(clock, repeat, model::invoke))
            watch()
        }
        run.samples = samples.toList()
        if (repeat > 1) run.iterationsPerSample = repeat
    }

    /** Calls completed in a window, one after another without a pause. */
    private fun throughput(model: Model) {
        val start = clock.nowNs()
        var completed = 0L
        while (!finished(completed, clock.nowNs() - start, job.config.measure)) {
            model.invoke()
            completed++
        }
        run.window = clock.nowNs() - start
        run.completed = completed
    }

    /** Calls of all streams at once, one after another in each, by the window that they end in. */
    private fun sustained(first: List<Tensor>) {
        val interval = requireNotNull(job.config.intervalNs) { "a sustained run wants config.interval_ns" }
        val windows = maxOf(1, job.config.measure.maxNs / interval).toInt()
        val models = List(job.config.concurrency ?: 1) { fresh(first) }
        val counts = models.map { LongArray(windows) }
        val errors = arrayOfNulls<Exception>(models.size)
        val start = clock.nowNs()
        fun stream(index: Int) = try {
            while (true) {
                models[index].invoke()
                val window = (clock.nowNs() - start) / interval
                if (window >= windows) break
                counts[index][window.toInt()]++
                if (index == 0) watch()
            }
        } catch (error: Exception) {
            errors[index] = error
        }
        val others = (1 until models.size).map { thread { stream(it) } }
        stream(0)
        others.forEach(Thread::join)
        models.forEach(Model::close)
        errors.firstNotNullOfOrNull { it }?.let { throw it }
        run.windows = (0 until windows).map { Window(it * interval, interval, counts.sumOf { own -> own[it] }) }
    }

    /** What the process holds after each round of loading, one call and unloading: bytes. */
    private fun rounds(first: List<Tensor>) {
        val count = requireNotNull(job.config.measure.maxIters) { "rounds want config.measure.max_iters" }
        run.resident = (0 until count).map {
            fresh(first).use(Model::invoke)
            System.gc()
            machine.memory.counters().getValue("vm_rss")
        }
    }

    private fun fresh(first: List<Tensor>): Model = open().also {
        it.prepare(first)
        it.feed(first)
    }

    /**
     * Run every case once, its state fed back from the one before, and write outputs to the capture file.
     *
     * When the time for it (max_ns, where it is given) is over, the cases after the first min_iters are left out.
     */
    private fun play(model: Model) {
        val stop = if (job.config.mode == "verify") job.config.measure else Stop()
        val start = clock.nowNs()
        val capture = job.capture?.let { Capture(File(folder, it)) }
        val rows = mutableListOf<List<OutputTensor>>()
        var state = emptyMap<String, Tensor>()
        capture.use {
            for (case in job.cases) {
                if (stop.maxNs > 0 && rows.size >= stop.minIters && clock.nowNs() - start >= stop.maxNs) break
                val inputs = case.zip(readCase(case, folder)) { tensor, read -> state[tensor.name] ?: read }
                model.feed(inputs)
                val taken = timed(clock, call = model::invoke)
                cold.firstInference = cold.firstInference ?: taken
                val answers = model.fetch()
                val names = job.outputs.ifEmpty { answers.indices.map { "output_$it" } }
                rows += names.zip(answers) { name, answer ->
                    capture?.write(name, answer) ?: OutputTensor(name, answer.dtype, answer.shape.toList(), 0)
                }
                val named = names.zip(answers).toMap()
                state = job.feedback.entries.associate { (giver, taker) -> taker to named.getValue(giver) }
                watch()
            }
            capture?.finish()
        }
        if (capture != null) run.outputs = rows
    }
}
