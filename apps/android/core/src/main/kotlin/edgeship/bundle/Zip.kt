/**
 * A bundle in a zip file, read by its directory (PKWARE's APPNOTE 4.3): entries one after another, nothing between.
 *
 * java.util.zip tells neither links nor duplicates and takes much that other readers do not. Here a file that is read at
 * all is read alike in every language.
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
private const val UTF8_NAME = 0x800
private const val ENCRYPTED = 1
private const val KIND_OF_MODE = 0xf000
private val FILE_KINDS = setOf(0, 0x8000)

private class Entry(val offset: Long, val size: Long)

/** The entries of a zip file, stored one after another. */
internal fun zipTree(file: File): Tree {
    val entries = RandomAccessFile(file, "r").use(::readEntries)
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

private fun ByteBuffer.short(at: Int): Int = getShort(at).toUShort().toInt()

private fun ByteBuffer.int(at: Int): Long = getInt(at).toUInt().toLong()

private fun ByteBuffer.part(at: Int, count: Int): ByteArray = array().copyOfRange(at, at + count)

private fun readEntries(archive: RandomAccessFile): Map<String, Entry> {
    val end = bytes(archive, archive.length() - END_BYTES, END_BYTES)
    val (size, start) = end.int(12) to end.int(16)
    val whole = end.getInt(0) == END_SIGNATURE && start + size + END_BYTES == archive.length()
    if (!whole || size > MOST_BYTES_IN_MEMORY) throw IOException("no directory at its end")
    val found = readDirectory(archive, bytes(archive, start, size.toInt()), start)
    val counts = listOf(4, 6, 8, 10, 20).map(end::short)
    if (counts != listOf(0, 0, found.size, found.size, 0)) throw IOException("a directory of another length")
    return found
}

private fun readDirectory(archive: RandomAccessFile, directory: ByteBuffer, end: Long): Map<String, Entry> {
    val found = mutableMapOf<String, Entry>()
    var at = 0
    var expected = 0L
    while (at < directory.limit()) {
        if (at + CENTRAL_BYTES > directory.limit()) throw IOException("a directory that is cut short")
        val length = directory.short(at + 28)
        val sound = directory.getInt(at) == CENTRAL_SIGNATURE && directory.int(at + 30) == 0L
        if (!sound || at + CENTRAL_BYTES + length > directory.limit()) throw IOException("a directory that is not one")
        val raw = directory.part(at + CENTRAL_BYTES, length)
        val name = Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(raw)).toString()
        if (!isPlain(name)) throw Refused(Reason.PATH_OUTSIDE, name)
        val mode = directory.short(at + 40)
        if (mode and KIND_OF_MODE !in FILE_KINDS) throw Refused(Reason.LINK, name)
        if (name in found) throw Refused(Reason.DUPLICATE_ENTRY, name)
        val flags = directory.short(at + 8)
        if (directory.short(at + 10) != 0 || flags and ENCRYPTED != 0) throw Refused(Reason.COMPRESSED, name)
        val header = directory.int(at + 42)
        val local = bytes(archive, header, LOCAL_BYTES)
        val size = directory.int(at + 24)
        val same = local.getInt(0) == LOCAL_SIGNATURE &&
            local.part(6, 22).contentEquals(directory.part(at + 8, 22)) &&
            local.short(28) == 0 &&
            bytes(archive, header + LOCAL_BYTES, length).array().contentEquals(raw)
        if (!same || flags and UTF8_NAME.inv() != 0 || directory.int(at + 20) != size || header != expected) {
            throw IOException("an entry that is not what the directory says")
        }
        expected += LOCAL_BYTES + length + size
        found[name] = Entry(expected - size, size)
        at += CENTRAL_BYTES + length
    }
    if (expected != end) throw IOException("bytes that no entry has")
    return found
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
