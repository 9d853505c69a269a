/** A bundle's files, in a folder or a zip: only plain names, only plain files, before anything is read. */
package edgeship.bundle

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.nio.file.Files
import java.nio.file.LinkOption

const val MOST_ENTRIES = 10_000
const val MOST_BYTES = 8L shl 30

/** Of a manifest or a root. */
const val MOST_BYTES_IN_MEMORY = 16L shl 20

/** Sizes by name, with / between folders, and a way to read. */
class Tree(val sizes: Map<String, Long>, val open: (String) -> InputStream) {
    /** A small file's bytes; [Refused]: file-missing, too-large, unreadable. */
    fun read(name: String): ByteArray {
        val size = sizes[name] ?: throw Refused(Reason.FILE_MISSING, name)
        if (size > MOST_BYTES_IN_MEMORY) throw Refused(Reason.TOO_LARGE, name)
        return try {
            open(name).use { it.readBytes() }
        } catch (error: IOException) {
            throw Refused(Reason.UNREADABLE, name)
        }
    }
}

/** The files of a bundle; [Refused]: unreadable, path-outside, link, duplicate-entry, compressed, too-large. */
fun tree(bundle: File): Tree =
    try {
        if (bundle.isDirectory) folderTree(bundle) else zipTree(bundle)
    } catch (error: IOException) {
        throw Refused(Reason.UNREADABLE, bundle.name)
    }

/** Whether a relative path stays where it is put, on every system: no .., root, drive or control character. */
fun isPlain(path: String): Boolean =
    path.split("/").none { it in setOf("", ".", "..") } && path.none { it in "\\:\u007f" || it < ' ' }

/** Whether these can be files of one folder: none twice, and none a folder of another. */
fun fitTogether(paths: List<String>): Boolean {
    val folders = paths.flatMap { path -> path.indices.filter { path[it] == '/' }.map { path.substring(0, it) } }
    return paths.toSet().size == paths.size && folders.none(paths.toSet()::contains)
}

internal fun checkRoom(sizes: Map<String, Long>) {
    val total = sizes.values.sum()
    if (sizes.size > MOST_ENTRIES || total > MOST_BYTES) {
        throw Refused(Reason.TOO_LARGE, "${sizes.size} entries of $total bytes")
    }
}

private fun folderTree(root: File): Tree {
    val sizes = mutableMapOf<String, Long>()
    val waiting = ArrayDeque(listOf(root))
    while (waiting.isNotEmpty()) {
        for (file in waiting.removeFirst().listFiles() ?: throw IOException("not readable")) {
            val name = file.relativeTo(root).invariantSeparatorsPath
            if (!isPlain(name)) throw Refused(Reason.PATH_OUTSIDE, name)
            val path = file.toPath()
            when {
                Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS) -> sizes[name] = file.length()
                Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS) -> waiting.add(file)
                else -> throw Refused(Reason.LINK, name)
            }
        }
        checkRoom(sizes)
    }
    return Tree(sizes) { File(root, it).inputStream() }
}
