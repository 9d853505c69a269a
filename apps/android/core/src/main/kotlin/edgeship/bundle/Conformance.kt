/** The command line that the conformance suites drive: one JSON line of a case after another, each with its reason. */
package edgeship.bundle

import java.io.File
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

fun main(arguments: Array<String>) {
    File(arguments.single()).forEachLine { println("""{"reason": "${answer(parse(it.toByteArray()))}"}""") }
}

/** "fine", or the word of the reason. */
fun answer(case: JsonObject): String {
    fun optional(key: String) = if (key in case) case.text(key) else null
    val runtimes = case.member("runtimes").mapValues { (it.value as JsonPrimitive).content }
    val installed = if ("installed" in case) case.number("installed") else null
    val device = Device(case.text("now"), installed, optional("compatible"), optional("abi"), runtimes)
    return try {
        verify(File(case.text("bundle")), anchor(File(case.text("root")).readBytes()), device)
        "fine"
    } catch (refusal: Refused) {
        refusal.reason.word
    }
}
