/** What the screens have in common: a column of views, made in code, and a model that is loaded behind it. */
package edgeship.app

import android.app.Activity
import android.os.Bundle
import android.view.View
import android.widget.Button
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import edgeship.bundle.Loaded

private const val PADDING_DP = 16
const val PRODUCT = "product"

abstract class Screen : Activity() {
    private lateinit var column: LinearLayout

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val padding = (PADDING_DP * resources.displayMetrics.density).toInt()
        column = LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            setPadding(padding, padding, padding, padding)
        }
        setContentView(ScrollView(this).apply { addView(column) })
    }

    fun <V : View> add(view: V): V = view.also(column::addView)

    fun clear() = column.removeAllViews()

    fun text(content: String): TextView = add(TextView(this).apply {
        text = content
        setTextIsSelectable(true)
    })

    fun button(title: String, action: () -> Unit): Button = add(Button(this).apply {
        text = title
        setOnClickListener { action() }
    })

    /** Do [work] behind the screen, then [show] what came of it, or say what went wrong, where the screen is still there. */
    fun <T> behind(work: () -> T, show: (T) -> Unit) {
        edgeship.worker.execute {
            val done = runCatching(work)
            runOnUiThread {
                if (!isDestroyed) done.fold(show) { text("${it.javaClass.simpleName}: ${it.message}") }
            }
        }
    }
}

/** A screen with one product's model. */
abstract class ModelScreen : Screen() {
    /** Set and closed by the worker. */
    @Volatile
    protected var loaded: Loaded? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val name = requireNotNull(intent.getStringExtra(PRODUCT)) { "the screen was started without $PRODUCT" }
        title = name
        val waiting = text("Loading …")
        behind({ edgeship.shelf.load(edgeship.shelf.products.first { it.name == name }).also { loaded = it } }) {
            waiting.text = if (it == null) "No bundle of $name works on this device." else told(it)
            if (it != null) ready(it)
        }
    }

    /** The model is there: show what can be done with it. */
    abstract fun ready(loaded: Loaded)

    override fun onDestroy() {
        super.onDestroy()
        edgeship.worker.execute { loaded?.model?.close() }
    }

    private fun told(loaded: Loaded): String {
        val tried = loaded.sqnrDb?.let { ", tried here: %.1f dB".format(it) }.orEmpty()
        return "${loaded.artifact.name} by ${edgeship.engine.runtime} ${edgeship.engine.version}$tried"
    }
}
