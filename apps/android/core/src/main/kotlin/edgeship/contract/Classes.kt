/** What is in a picture, by a loaded model and what its contract says. */
package edgeship.contract

import edgeship.bundle.Loaded
import edgeship.engine.Tensor
import edgeship.engine.floats
import edgeship.engine.run

/** The [k] best classes, the best first, of a model that takes one picture and nothing else. */
fun Loaded.classified(picture: Picture, k: Int): List<Score> {
    val (name, said) = contract.images.entries.single()
    val made = if (artifact.inputTypes[name] == "uint8") said.bytes(picture) else said.apply(picture)
    val outputs = model.run(listOf(Tensor(made.dtype, longArrayOf(1) + made.shape, made.data)))
    val named = artifact.outputNames.indexOf(contract.logits ?: contract.probabilities)
    val values = floats(outputs[maxOf(named, 0)])
    return topK(if (contract.logits == null) values else softmax(values), k, contract.labels)
}
