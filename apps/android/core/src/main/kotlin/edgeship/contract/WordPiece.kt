/** A BERT tokenizer of plain data: the ids that `transformers` gives for the same texts (docs/codegen.md). */
package edgeship.contract

import edgeship.engine.Tensor
import edgeship.engine.tensorOf

/** What a text, or two, become: as many numbers each as the length that was asked for. */
class Encoded(val inputIds: LongArray, val attentionMask: LongArray, val tokenTypeIds: LongArray) {
    /** The one that an input takes by the name that the contract has for it; int64 [length]. */
    fun output(name: String): Tensor {
        val values = mapOf("input_ids" to inputIds, "attention_mask" to attentionMask, "token_type_ids" to tokenTypeIds)[name]
        requireNotNull(values) { "$name: there are input_ids, attention_mask and token_type_ids" }
        return tensorOf(values, values.size.toLong())
    }
}

/** The tokens that a tokenizer names, as the contract's `wordpiece` does. */
class WordPieceSettings(
    val unknown: String = "[UNK]",
    val start: String = "[CLS]",
    val end: String = "[SEP]",
    val padding: String = "[PAD]",
    val continuation: String = "##",
    val longestWord: Int = 100,
    val special: List<String> = emptyList(),
)

/** [vocabulary] and [characters] are the contents of the two files that the contract names. */
class WordPiece(vocabulary: String, characters: String, private val settings: WordPieceSettings) {
    private val ids = vocabulary.removeSuffix("\n").split("\n").withIndex().associate { (id, token) -> token to id.toLong() }
    private val characters = Characters(characters)
    private val unknown = id(settings.unknown)
    private val start = id(settings.start)
    private val end = id(settings.end)
    private val padding = id(settings.padding)

    /** The first one in a text, and there the longest. */
    private val special = settings.special.sortedByDescending { it.length }
        .takeIf { it.isNotEmpty() }?.joinToString("|") { Regex.escape(it) }?.let(::Regex)

    /** One text, or two; cut at [maxLength], the longer one first. */
    fun encode(text: String, maxLength: Int, pair: String? = null): Encoded {
        val first = tokens(text)
        val second = pair?.let(::tokens)
        val room = maxLength - (if (second == null) 2 else 3)
        require(room >= 0) { "a length of $maxLength is too short for a text" }
        val (kept, keptOfSecond) = shares(first.size, second?.size ?: 0, room)
        val front = listOf(start) + first.take(kept) + end
        val back = if (second == null) emptyList() else second.take(keptOfSecond) + end
        val found = front + back
        return Encoded(
            LongArray(maxLength) { found.getOrElse(it) { padding } },
            LongArray(maxLength) { if (it < found.size) 1 else 0 },
            LongArray(maxLength) { if (it >= front.size && it < found.size) 1 else 0 },
        )
    }

    private fun id(token: String): Long = requireNotNull(ids[token]) { "the vocabulary has no $token" }

    private fun tokens(text: String): List<Long> {
        val found = mutableListOf<Long>()
        var place = 0
        for (mark in special?.findAll(text).orEmpty()) {
            found += plain(text.substring(place, mark.range.first))
            found += id(mark.value)
            place = mark.range.last + 1
        }
        return found + plain(text.substring(place))
    }

    private fun plain(text: String): List<Long> = characters.words(text).flatMap(::pieces)

    private fun pieces(word: IntArray): List<Long> {
        if (word.size > settings.longestWord) return listOf(unknown)
        val found = mutableListOf<Long>()
        var begin = 0
        while (begin < word.size) {
            val prefix = if (begin == 0) "" else settings.continuation
            val end = (word.size downTo begin + 1).firstOrNull { prefix + String(word, begin, it - begin) in ids }
                ?: return listOf(unknown)
            found += ids.getValue(prefix + String(word, begin, end - begin))
            begin = end
        }
        return found
    }
}

/** How many tokens two texts keep: the longer one loses, and both come to half where both are longer than that. */
private fun shares(first: Int, second: Int, room: Int): Pair<Int, Int> {
    if (first + second <= room) return first to second
    val short = minOf(first, second, room / 2)
    return if (first <= second) short to room - short else room - short to short
}
