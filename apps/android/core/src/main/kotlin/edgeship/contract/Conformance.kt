/** Answers the contract's conformance cases: CASES.jsonl and a folder for the answers, as docs/codegen.md says. */
package edgeship.contract

import edgeship.bundle.member
import edgeship.bundle.number
import edgeship.bundle.parse
import edgeship.bundle.text
import edgeship.engine.buffer
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

fun main(arguments: Array<String>) {
    val (cases, out) = arguments.map(::File)
    val folder = cases.absoluteFile.parentFile
    cases.readLines().forEachIndexed { number, line ->
        val error = try {
            val case = parse(line.toByteArray())
            File(out, case.text("out")).apply { parentFile.mkdirs() }.writeBytes(answer(case, folder))
            null
        } catch (error: Exception) {
            "${error.javaClass.simpleName}: ${error.message}"
        }
        println(JsonObject(mapOf("case" to JsonPrimitive(number), "error" to JsonPrimitive(error))))
    }
}

/** Little-endian numbers. */
private fun answer(case: JsonObject, folder: File): ByteArray = when (val kind = case.text("kind")) {
    "resize" -> resized(case, folder)
    "image" -> bytes(imageInput(case.member("input")).apply(picture(case, folder)).data)
    "bytes" -> bytes(imageInput(case.member("input")).bytes(picture(case, folder)).data)
    "text" -> encoded(case, folder)
    "sound" -> bytes(audioInput(case.member("input")).apply(values(case, folder)).data)
    "softmax" -> bytes(floats(softmax(values(case, folder))))
    "top_k" -> topK(values(case, folder), case.number("k").toInt()).let { best ->
        bytes(buffer(4 * best.size).also { data -> best.forEach { data.putInt(it.index) } }.flip())
    }
    else -> throw IllegalArgumentException("$kind: no such case is known")
}

private fun resized(case: JsonObject, folder: File): ByteArray {
    val (height, width) = (case.getValue("size") as JsonArray).map { (it as JsonPrimitive).content.toInt() }
    val filter = Interpolation.valueOf(case.text("filter").uppercase())
    val planes = picture(case, folder).planes().let { if (case.text("colour") == "grey") listOf(grey(it)) else it }
    val made = planes.map { it.resized(width, height, filter) }
    return ByteArray(height * width * made.size) { at ->
        val pixel = at / made.size
        made[at % made.size][pixel % width, pixel / width].toByte()
    }
}

private fun encoded(case: JsonObject, folder: File): ByteArray {
    val tokenizer = wordPiece(
        JsonObject(case.member("settings") + case.filterKeys { it == "vocabulary" || it == "characters" }),
    ) { File(folder, it).readBytes() }
    val length = case.number("max_length").toInt()
    val lines = File(folder, case.text("lines")).readText().split("\n").filter(String::isNotEmpty).map(Json::parseToJsonElement)
    val data = buffer(lines.size * 3 * length * Long.SIZE_BYTES)
    for (line in lines) {
        val texts = (line as? JsonArray ?: listOf(line)).map { (it as JsonPrimitive).content }
        val found = tokenizer.encode(texts[0], length, texts.getOrNull(1))
        listOf(found.inputIds, found.attentionMask, found.tokenTypeIds).forEach { it.forEach(data::putLong) }
    }
    return bytes(data.flip())
}

private fun picture(case: JsonObject, folder: File): Picture {
    val (width, height, stride) = listOf("width", "height", "stride").map { case.number(it).toInt() }
    return Picture(File(folder, case.text("picture")).readBytes(), width, height, stride, case.number("orientation").toInt())
}

private fun values(case: JsonObject, folder: File): FloatArray {
    val numbers = ByteBuffer.wrap(File(folder, case.text("values")).readBytes()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    return FloatArray(numbers.remaining()).also { numbers.get(it) }
}

private fun floats(values: FloatArray): ByteBuffer = buffer(4 * values.size).also { it.asFloatBuffer().put(values) }

private fun bytes(data: ByteBuffer): ByteArray = ByteArray(data.remaining()).also { data.duplicate().get(it) }
