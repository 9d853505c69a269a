/** JSON as every reader of bundles takes it: UTF-8, one object, no NaN, nothing very deep; its values by their types. */
package edgeship.bundle

import java.nio.ByteBuffer
import java.nio.charset.CharacterCodingException
import kotlinx.serialization.SerializationException
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** A document that is not what it must be. */
class Malformed(message: String) : Exception(message)

/** The largest number that JSON readers of every language keep. */
const val MOST_NUMBER = (1L shl 53) - 1

private const val DEEPEST = 64
private const val LONGEST_NUMBER = 64
private val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")
private val WORDS = setOf("true", "false", "null")

/** The object that these bytes hold; [Malformed] where they hold none. */
fun parse(data: ByteArray): JsonObject =
    try {
        val text = Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(data)).toString()
        Json.parseToJsonElement(text).also { check(it) } as? JsonObject ?: throw Malformed("not an object")
    } catch (error: CharacterCodingException) {
        throw Malformed("not UTF-8")
    } catch (error: SerializationException) {
        throw Malformed("not JSON")
    } catch (error: StackOverflowError) {
        throw Malformed("too deep")
    }

/** The parser lets words pass that are no JSON. */
private fun check(element: JsonElement, left: Int = DEEPEST) {
    if (element !is JsonPrimitive && left == 0) throw Malformed("too deep")
    when (element) {
        is JsonObject -> element.values.forEach { check(it, left - 1) }
        is JsonArray -> element.forEach { check(it, left - 1) }
        is JsonPrimitive ->
            if (!element.isString && element.content !in WORDS && !isNumber(element.content)) {
                throw Malformed(element.content)
            }
    }
}

private fun isNumber(text: String) = text.length <= LONGEST_NUMBER && NUMBER.matches(text)

fun JsonObject.member(key: String): JsonObject = this[key] as? JsonObject ?: throw Malformed(key)

fun JsonObject.list(key: String): List<JsonElement> = this[key] as? JsonArray ?: throw Malformed(key)

fun JsonObject.members(key: String): List<JsonObject> = list(key).map { it as? JsonObject ?: throw Malformed(key) }

fun JsonObject.texts(key: String): List<String> = list(key).map { it.text ?: throw Malformed(key) }

fun JsonObject.text(key: String): String = this[key]?.text ?: throw Malformed(key)

/** A whole number, written as one. */
fun JsonObject.number(key: String): Long =
    (this[key] as? JsonPrimitive)?.takeIf { !it.isString && WHOLE.matches(it.content) }?.content?.toLongOrNull()
        ?: throw Malformed(key)

private val WHOLE = Regex("-?[0-9]+")

private val JsonElement.text: String?
    get() = (this as? JsonPrimitive)?.takeIf { it.isString }?.content
