/** The first screen: which models are installed, and what can be done with each. */
package edgeship.app

import android.content.Intent
import android.os.Bundle
import java.io.File

class ModelsActivity : Screen() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        title = "Models"
        text("Installing …")
        behind({ edgeship.shelf.run { install(mediaFolder(this@ModelsActivity)?.let { File(it, "bundles") }) to products } }) {
            (refused, products) -> show(refused, products)
        }
    }

    private fun show(refused: List<String>, products: List<Product>) {
        clear()
        if (products.isEmpty()) text("No bundle is installed: put one into app/src/main/assets/bundles.")
        for (product in products) {
            val slot = checkNotNull(product.slots.state).current
            text("${product.name} ${slot.version}")
            for ((title, screen) in SAMPLES) {
                button(title) { startActivity(Intent(this, screen).putExtra(PRODUCT, product.name)) }
            }
        }
        refused.forEach(::text)
    }

    private companion object {
        val SAMPLES = listOf(
            "Draw a digit" to DrawActivity::class.java,
            "Pick a photo" to PhotoActivity::class.java,
            "Compare sentences" to TextActivity::class.java,
            "Benchmark" to BenchmarkActivity::class.java,
        )
    }
}
