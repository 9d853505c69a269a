/**
 * Executes a job without a screen, as a host asks for it:
 *
 *     adb shell am instrument -w -e job PATH [-e result PATH] dev.edgeship.app.onnx/edgeship.app.JobInstrumentation
 *
 * Without `result` it lies beside the others in Android/media/PACKAGE, by its own id. The code is that of all agents: -1
 * (RESULT_OK) for a result without error, 1 for one with an error, 2 where there is none.
 */
package edgeship.app

import android.app.Activity
import android.app.Instrumentation
import android.os.Bundle
import edgeship.bench.NoJob
import edgeship.bench.answer
import edgeship.bench.write
import java.io.File
import java.io.IOException

private const val FAILED = 1
private const val NONE = 2

class JobInstrumentation : Instrumentation() {
    private lateinit var arguments: Bundle
    private val processStartNs = sinceProcessStartNs()

    override fun onCreate(arguments: Bundle) {
        super.onCreate(arguments)
        this.arguments = arguments
        start() // a thread of its own, on which onStart is called
    }

    override fun onStart() {
        val told = Bundle()
        val code = try {
            answered(told)
        } catch (error: NoJob) {
            told.putString(REPORT_KEY_STREAMRESULT, "${error.message}\n")
            NONE
        } catch (error: IOException) {
            told.putString(REPORT_KEY_STREAMRESULT, "cannot write the result: ${error.message}\n")
            NONE
        }
        finish(code, told)
    }

    private fun answered(told: Bundle): Int {
        val app = targetContext.edgeship
        val job = arguments.getString("job") ?: throw NoJob("say which: -e job PATH")
        val result = answer(File(job), listOf(app.runtime), androidMachine(targetContext, processStartNs)) { phase ->
            sendStatus(0, Bundle().apply { putString("phase", phase) })
        }
        val place = arguments.getString("result")?.let(::File) ?: File(mediaFolder(targetContext), "${result.id}.json")
        write(result, place)
        val error = result.runs.single().error
        told.putString("result", place.path)
        told.putString(REPORT_KEY_STREAMRESULT, error?.let { "${it.phase}: ${it.message}\n" } ?: "${place.path}\n")
        return if (error == null) Activity.RESULT_OK else FAILED
    }
}
