/** Measures the chosen model on this phone, shows how far it is, and shares the result. */
package edgeship.app

import android.content.Intent
import android.os.Bundle
import android.view.WindowManager
import android.widget.ProgressBar
import edgeship.bench.LATENCY
import edgeship.bench.MESSAGES
import edgeship.bench.Progress
import edgeship.bench.Result
import edgeship.bench.answer
import edgeship.bench.write
import edgeship.bench.writeJob
import edgeship.bundle.Loaded
import java.io.File

private val PHASES = listOf("start", "load", "warmup", "measure", "collect")

class BenchmarkActivity : ModelScreen() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
    }

    override fun ready(loaded: Loaded) {
        text("Best in flight mode, not charging, the phone cool and left alone. About half a minute.")
        val bar = add(ProgressBar(this, null, android.R.attr.progressBarStyleHorizontal).apply { max = PHASES.size })
        val said = text("")
        button("Measure") {
            val progress = Progress { phase ->
                runOnUiThread {
                    bar.progress = PHASES.indexOf(phase) + 1
                    said.text = phase
                }
            }
            behind({ measured(loaded, progress) }) { (result, file) -> show(result, file) }
        }
    }

    private fun measured(loaded: Loaded, progress: Progress): Pair<Result, File> {
        val folder = File(cacheDir, "bench").apply { deleteRecursively() }.apply { mkdirs() }
        val job = writeJob(loaded.artifact, folder, LATENCY, Shelf.THREADS)
        val result = answer(job, listOf(edgeship.runtime), androidMachine(this), progress)
        val place = File(checkNotNull(mediaFolder(this)) { "this phone has no shared storage" }, "${result.id}.json")
        write(result, place)
        return result to place
    }

    /** The median only: what an agent answers are raw samples, and `edgeship` makes statistics of them. */
    private fun show(result: Result, file: File) {
        val run = result.runs.single()
        val samples = run.samples.orEmpty().sorted()
        val error = run.error
        text(
            if (error != null) {
                "${error.phase}: ${error.message}"
            } else {
                "median %.3f ms of %d calls".format(samples[samples.size / 2] / 1e6 / (run.iterationsPerSample ?: 1), samples.size)
            },
        )
        text(file.path)
        button("Share the result") {
            val message = MESSAGES.encodeToString(Result.serializer(), result)
            val send = Intent(Intent.ACTION_SEND).setType("application/json").putExtra(Intent.EXTRA_TEXT, message)
            startActivity(Intent.createChooser(send, file.name))
        }
    }
}
