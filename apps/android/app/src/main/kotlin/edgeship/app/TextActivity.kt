/** Live sample of text encoders: type sentences and see which is the nearest to the first. */
package edgeship.app

import android.widget.EditText
import edgeship.bundle.Loaded
import edgeship.contract.cosine
import edgeship.engine.Tensor
import edgeship.engine.floats
import edgeship.engine.run

private val EXAMPLES = listOf("How do I reset my password?", "I forgot my login.", "The weather is fine today.", "Where is my order?")

class TextActivity : ModelScreen() {
    override fun ready(loaded: Loaded) {
        if (loaded.contract.texts.values.any { it.wordPiece == null } || loaded.contract.texts.isEmpty()) {
            text("This model's contract has no text that is cut into word pieces.")
            return
        }
        text("A question, and sentences that may be near to it:")
        val fields = EXAMPLES.map { sentence -> add(EditText(this).apply { setText(sentence) }) }
        val answer = text("")
        button("Compare") {
            val sentences = fields.map { it.text.toString() }.filter(String::isNotBlank)
            behind({ sentences.map { embedded(loaded, it) } }) { vectors ->
                val near = vectors.drop(1).map { cosine(vectors.first(), it) }
                val best = near.zip(sentences.drop(1)).sortedByDescending { (likeness, _) -> likeness }
                answer.text = best.joinToString("\n") { (likeness, sentence) -> "%.3f  %s".format(likeness, sentence) }
            }
        }
    }

    /** Each input of the model takes one of the tokenizer's outputs. */
    private fun embedded(loaded: Loaded, sentence: String): FloatArray {
        val inputs = loaded.artifact.inputNames.map { name ->
            val input = requireNotNull(loaded.contract.texts[name]) { "the contract says nothing of input $name" }
            val ids = checkNotNull(input.wordPiece).encode(sentence, input.maxLength).output(input.output)
            Tensor(ids.dtype, longArrayOf(1) + ids.shape, ids.data)
        }
        return floats(loaded.model.run(inputs).first())
    }
}
