/** Live sample of examples/digits: draw a digit and see it classified. */
package edgeship.app

import edgeship.bundle.Loaded
import edgeship.contract.classified

private const val SHOWN = 3

class DrawActivity : ModelScreen() {
    override fun ready(loaded: Loaded) {
        val answer = text("Draw a digit, as large as the field.")
        val field = DrawView(this) { ink ->
            behind({ loaded.classified(digit(ink), SHOWN) }) { best ->
                answer.text = best.joinToString("\n") { "%s  %.1f %%".format(it.label, 100 * it.score) }
            }
        }
        add(field)
        button("Clear", field::clear)
    }
}
