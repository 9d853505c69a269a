/**
 * A bundle in a zip file, by its central directory (PKWARE's APPNOTE 4.3.12): java.util.zip tells neither links nor
 * duplicates.
 */
package edgeship.bundle

import java.io.EOFException
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder

private const val END_SIGNATURE = 0x06054b50
private const val CENTRAL_SIGNATURE = 0x02014b50
private const val LOCAL_SIGNATURE = 0x04034b50
private const val END_BYTES = 22
private const val CENTRAL_BYTES = 46
private const val LOCAL_BYTES = 30
private const val LONGEST_COMMENT = 0xffff
private const val KIND_OF_MODE = 0xf000
private val FILE_OR_FOLDER = setOf(0, 0x8000, 0x4000)

private class Entry(val name: String, val size: Long, val offset: Long)

/** The entries of a zip file, stored one after another. */
internal fun zipTree(file: File): Tree {
    val entries = RandomAccessFile(file, "r").use { archive ->
        readEntries(archive, centralDirectory(archive))
    }
    val sizes = entries.mapValues { it.value.size }
    checkRoom(sizes)
    return Tree(sizes) { open(file, entries.getValue(it)) }
}

private fun bytes(archive: RandomAccessFile, offset: Long, count: Int): ByteBuffer {
    if (offset < 0 || offset + count > archive.length()) throw EOFException()
    val found = ByteArray(count)
    archive.seek(offset)
    archive.readFully(found)
    return ByteBuffer.wrap(found).order(ByteOrder.LITTLE_ENDIAN)
}

private fun centralDirectory(archive: RandomAccessFile): ByteBuffer {
    val count = minOf(archive.length(), (END_BYTES + LONGEST_COMMENT).toLong()).toInt()
    val tail = bytes(archive, archive.length() - count, count)
    val end = (count - END_BYTES downTo 0).firstOrNull { tail.getInt(it) == END_SIGNATURE }
        ?: throw IOException("no zip file")
    val size = tail.getInt(end + 12).toUInt().toLong()
    val offset = tail.getInt(end + 16).toUInt().toLong()
    if (size > MOST_BYTES_IN_MEMORY) throw IOException("a directory of $size bytes")
    return bytes(archive, offset, size.toInt())
}

private fun readEntries(archive: RandomAccessFile, directory: ByteBuffer): Map<String, Entry> {
    val found = mutableMapOf<String, Entry>()
    var at = 0
    while (at < directory.limit()) {
        if (at + CENTRAL_BYTES > directory.limit() || directory.getInt(at) != CENTRAL_SIGNATURE) {
            throw IOException("a broken directory")
        }
        val lengths = listOf(28, 30, 32).map { directory.getShort(at + it).toUShort().toInt() }
        val name = String(directory.array(), at + CENTRAL_BYTES, lengths[0], Charsets.UTF_8)
        val mode = directory.getInt(at + 38) ushr 16
        if (!isPlain(name.removeSuffix("/"))) throw Refused(Reason.PATH_OUTSIDE, name)
        if (mode and KIND_OF_MODE !in FILE_OR_FOLDER) throw Refused(Reason.LINK, name)
        if (name in found) throw Refused(Reason.DUPLICATE_ENTRY, name)
        val flags = directory.getShort(at + 8).toInt()
        val method = directory.getShort(at + 10).toInt()
        if (method != 0 || flags and 1 != 0) throw Refused(Reason.COMPRESSED, name)
        val size = directory.getInt(at + 24).toUInt().toLong()
        found[name] = Entry(name, size, contentOffset(archive, directory.getInt(at + 42).toUInt().toLong()))
        at += CENTRAL_BYTES + lengths.sum()
    }
    return found
}

/** Where an entry's bytes begin: behind its local header, whose lengths are its own. */
private fun contentOffset(archive: RandomAccessFile, header: Long): Long {
    val local = bytes(archive, header, LOCAL_BYTES)
    if (local.getInt(0) != LOCAL_SIGNATURE) throw IOException("a broken entry")
    return header + LOCAL_BYTES + local.getShort(26).toUShort().toLong() + local.getShort(28).toUShort().toLong()
}

private fun open(file: File, entry: Entry): InputStream {
    val stream = file.inputStream()
    stream.channel.position(entry.offset)
    return Part(stream, entry.size)
}

/** The next [left] bytes of a stream. */
private class Part(private val stream: InputStream, private var left: Long) : InputStream() {
    override fun read(): Int {
        val one = ByteArray(1)
        return if (read(one, 0, 1) < 0) -1 else one[0].toInt() and 0xff
    }

    override fun read(target: ByteArray, offset: Int, count: Int): Int {
        if (left <= 0) return -1
        val got = stream.read(target, offset, minOf(count.toLong(), left).toInt())
        if (got < 0) throw EOFException()
        left -= got
        return got
    }

    override fun close() = stream.close()
}
