/** Where a finger draws: what was touched is ink, one pen wide. */
package edgeship.app

import android.content.Context
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.view.MotionEvent
import android.view.View
import kotlin.math.hypot
import kotlin.math.roundToInt

private const val PEN = 1.6f

/** [drawn] is called while the finger moves. */
class DrawView(context: Context, private val drawn: (BooleanArray) -> Unit) : View(context) {
    private val ink = BooleanArray(SIDE * SIDE)
    private val paint = Paint().apply { color = Color.BLACK }
    private var last: Pair<Float, Float>? = null

    init {
        setBackgroundColor(Color.LTGRAY)
        contentDescription = "Draw a digit here"
    }

    fun clear() {
        ink.fill(false)
        invalidate()
    }

    override fun onMeasure(widthMeasureSpec: Int, heightMeasureSpec: Int) {
        val side = MeasureSpec.getSize(widthMeasureSpec)
        setMeasuredDimension(side, side)
    }

    override fun onDraw(canvas: Canvas) {
        val point = width / SIDE.toFloat()
        ink.forEachIndexed { at, inked ->
            val (x, y) = at % SIDE * point to at / SIDE * point
            if (inked) canvas.drawRect(x, y, x + point, y + point, paint)
        }
    }

    override fun onTouchEvent(event: MotionEvent): Boolean {
        parent.requestDisallowInterceptTouchEvent(true)
        val here = event.x / width * SIDE to event.y / height * SIDE
        if (event.action == MotionEvent.ACTION_UP) performClick()
        stroke(last.takeIf { event.action != MotionEvent.ACTION_DOWN } ?: here, here)
        last = here
        invalidate()
        drawn(ink.copyOf())
        return true
    }

    override fun performClick(): Boolean = super.performClick()

    private fun stroke(from: Pair<Float, Float>, to: Pair<Float, Float>) {
        val steps = 1 + hypot(to.first - from.first, to.second - from.second).roundToInt() * 2
        for (step in 0..steps) {
            val share = step / steps.toFloat()
            dot(from.first + (to.first - from.first) * share, from.second + (to.second - from.second) * share)
        }
    }

    private fun dot(x: Float, y: Float) {
        ink.indices.filter { hypot(it % SIDE + 0.5f - x, it / SIDE + 0.5f - y) <= PEN }.forEach { ink[it] = true }
    }
}
