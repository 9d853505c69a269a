/** What slots change on a disk, each call one change: a test can stop after any of them. */
package edgeship.bundle

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.StandardCopyOption
import java.nio.file.StandardOpenOption

interface Disk {
    /** Make one folder; its parent is there. */
    fun makeFolder(folder: File)

    /** A new file with these bytes, which may not be on the disk before [sync]. */
    fun write(file: File, source: InputStream)

    /** A second name for a file; false where the system allows none, as Android does not allow its apps. */
    fun link(file: File, existing: File): Boolean

    /** Give [file] the name of [target], which it replaces. */
    fun rename(file: File, target: File)

    /** A file, or a folder that is empty. */
    fun delete(file: File)

    /** Until this returns, a file's bytes, or the names in a folder, may be lost when the power goes. */
    fun sync(file: File)
}

object RealDisk : Disk {
    override fun makeFolder(folder: File) {
        Files.createDirectory(folder.toPath())
    }

    override fun write(file: File, source: InputStream) {
        file.outputStream().use { source.copyTo(it) }
    }

    override fun link(file: File, existing: File): Boolean =
        try {
            Files.createLink(file.toPath(), existing.toPath())
            true
        } catch (error: IOException) {
            false
        } catch (error: UnsupportedOperationException) {
            false
        }

    override fun rename(file: File, target: File) {
        Files.move(file.toPath(), target.toPath(), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING)
    }

    override fun delete(file: File) = Files.delete(file.toPath())

    override fun sync(file: File) {
        FileChannel.open(file.toPath(), StandardOpenOption.READ).use { it.force(true) }
    }
}
