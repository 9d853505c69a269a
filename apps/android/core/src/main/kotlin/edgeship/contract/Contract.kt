/** What a bundle's manifest says of an app's part: how inputs are made, and what outputs are called. */
package edgeship.contract

import edgeship.bundle.Malformed
import edgeship.bundle.number
import edgeship.bundle.text
import edgeship.bundle.texts
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** Which of a tokenizer's outputs an input takes; [wordPiece] is null where the app must bring the tokenizer itself. */
class TextInput(val maxLength: Int, val output: String, val wordPiece: WordPiece?)

/** By input name; an input that is in neither takes the model's own numbers. [file] gives a file of the contract's. */
class Contract(about: JsonObject, file: (String) -> ByteArray) {
    private val inputs = about["inputs"] as? JsonObject ?: JsonObject(emptyMap())

    val images: Map<String, ImageInput> = having("colour").mapValues { imageInput(it.value) }

    val sounds: Map<String, AudioInput> = having("sample_rate_hz").mapValues { audioInput(it.value) }

    val texts: Map<String, TextInput> = having("tokenizer").mapValues { (_, input) ->
        val settings = input["wordpiece"] as? JsonObject
        TextInput(input.number("max_length").toInt(), input.text("output"), settings?.let { wordPiece(it, file) })
    }

    /** The classes, in the order of the output's values. */
    val labels: List<String> = if ("labels" in about) about.texts("labels") else emptyList()

    /** The output whose softmax is the classes' probability; null where none is. */
    val logits: String? = name(about["logits"])

    /** The output whose values are the classes' probability by themselves; null where none is. */
    val probabilities: String? = name(about["probabilities"])

    private fun having(key: String): Map<String, JsonObject> =
        inputs.mapValues { it.value as? JsonObject ?: throw Malformed(it.key) }.filterValues { key in it }
}

/** An ImageInput as manifests have it; a key that is absent has its default. */
fun imageInput(about: JsonObject): ImageInput {
    val plain = ImageInput()
    fun <T : Any> read(key: String, absent: T, value: (JsonElement) -> T): T =
        about[key]?.takeIf { it !is JsonPrimitive || it.isString || it.content != "null" }?.let(value) ?: absent
    return ImageInput(
        resize = when (val said = about["resize"]) {
            is JsonArray -> Resize.To(size(said))
            is JsonPrimitive -> said.content.toIntOrNull()?.let(Resize::Shorter)
            else -> null
        },
        crop = (about["crop"] as? JsonArray)?.let(::size),
        interpolation = read("interpolation", plain.interpolation) { one(it) },
        colour = read("colour", plain.colour) { one(it) },
        scale = read("scale", plain.scale) { (it as JsonPrimitive).content.toDouble() },
        mean = read("mean", plain.mean, ::numbers),
        std = read("std", plain.std, ::numbers),
        layout = read("layout", plain.layout) { one(it) },
    )
}

/** An AudioInput as manifests have it; a key that is absent has its default. */
fun audioInput(about: JsonObject): AudioInput {
    fun flag(key: String) = (about[key] as? JsonPrimitive)?.content == "true"
    val scale = (about["scale"] as? JsonPrimitive)?.content?.toDouble() ?: 1.0
    return AudioInput(about.number("sample_rate_hz").toInt(), about.number("frame").toInt(), scale, flag("centre"), flag("level"))
}

/** A tokenizer as manifests have it. */
fun wordPiece(about: JsonObject, file: (String) -> ByteArray): WordPiece {
    val settings = WordPieceSettings(
        about.text("unknown"), about.text("start"), about.text("end"), about.text("padding"), about.text("continuation"),
        about.number("longest_word").toInt(), about.texts("special"),
    )
    fun content(key: String) = file(about.text(key)).toString(Charsets.UTF_8)
    return WordPiece(content("vocabulary"), content("characters"), settings)
}

private fun name(about: JsonElement?): String? = (about as? JsonPrimitive)?.takeIf { it.isString }?.content

private fun size(about: JsonArray): Size {
    val (height, width) = about.map { (it as JsonPrimitive).content.toInt() }
    return Size(height, width)
}

private fun numbers(about: JsonElement): List<Double> = (about as JsonArray).map { (it as JsonPrimitive).content.toDouble() }

private inline fun <reified T : Enum<T>> one(about: JsonElement): T = enumValueOf((about as JsonPrimitive).content.uppercase())
