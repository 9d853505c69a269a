/** The table of characters that a bundle brings: what becomes of each one before a text is parted into words. */
package edgeship.contract

private val SYLLABLES = 0xac00..0xd7a3
private const val VOWELS = 21
private const val TAILS = 28

/** The first of the letters that Unicode puts syllables together from. */
private const val LEAD = 0x1100
private const val VOWEL = 0x1161
private const val TAIL = 0x11a7

/** What is said of characters, by ranges in their order. */
private class Ranges(lines: List<List<String>>) {
    private val starts = IntArray(lines.size) { lines[it][0].toInt(16) }
    private val ends = IntArray(lines.size) { lines[it][1].toInt(16) }
    private val said = lines.map { it.drop(2) }

    /** Null where nothing is said. */
    fun find(code: Int): List<String>? {
        val found = starts.binarySearch(code)
        val index = if (found >= 0) found else -found - 2
        return if (index >= 0 && code <= ends[index]) said[index] else null
    }
}

/** `first`, canonical order, `then`: these three in a row are what a BERT tokenizer does to a text. */
class Characters(table: String) {
    private val lines: Map<String, List<List<String>>> =
        table.lineSequence().map { it.split(" ") }.groupBy({ it.first() }, { it.drop(1) })
    private val hangul = "hangul" in lines
    private val first = ranges("first")
    private val order = ranges("order")
    private val then = ranges("then")
    private val space = ranges("space")
    private val alone = ranges("alone")

    /** A text's words, by their code points; punctuation is a word of its own. */
    fun words(text: String): List<IntArray> {
        val words = mutableListOf<IntArray>()
        val word = mutableListOf<Int>()
        fun end() {
            if (word.isNotEmpty()) words += word.toIntArray()
            word.clear()
        }
        for (code in replaced(text)) {
            val stands = alone.find(code) != null
            if (!stands && space.find(code) == null) {
                word += code
                continue
            }
            end()
            if (stands) words += intArrayOf(code)
        }
        end()
        return words
    }

    private fun ranges(word: String): Ranges = Ranges(lines[word].orEmpty())

    private fun replaced(text: String): List<Int> =
        ordered(text.codePoints().toArray().flatMap(::decomposed)).flatMap { codes(it, then.find(it)) }

    private fun decomposed(code: Int): List<Int> {
        if (!hangul || code !in SYLLABLES) return codes(code, first.find(code))
        val place = code - SYLLABLES.first
        val tail = place % TAILS
        val letters = listOf(LEAD + place / TAILS / VOWELS, VOWEL + place / TAILS % VOWELS)
        return if (tail == 0) letters else letters + (TAIL + tail)
    }

    /** Marks that follow one another by their class; those of one class stay as they are. */
    private fun ordered(codes: List<Int>): List<Int> {
        val ordered = mutableListOf<Int>()
        val marks = mutableListOf<Pair<Int, Int>>()
        fun end() {
            marks.sortedBy { (place, _) -> place }.mapTo(ordered) { (_, code) -> code }
            marks.clear()
        }
        for (code in codes) {
            val said = order.find(code)
            if (said == null) {
                end()
                ordered += code
            } else {
                marks += said.single().toInt() to code
            }
        }
        end()
        return ordered
    }

    private fun codes(code: Int, said: List<String>?): List<Int> =
        said?.map { if (it == "=") code else it.toInt(16) } ?: listOf(code)
}
