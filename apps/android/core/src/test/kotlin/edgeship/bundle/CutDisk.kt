/** A disk that stops after so many changes: the process is killed, or the power goes, and what was not synced is lost. */
package edgeship.bundle

import java.io.File
import java.io.InputStream

/** The process ended here. */
class Stopped : Error()

class CutDisk(private var left: Int, private val power: Boolean) : Disk {
    /** How a change is lost, as long as [kept], a file or a folder, is not synced. */
    private class Loss(var kept: File, val happen: (File) -> Unit)

    private val losses = mutableListOf<Loss>()

    override fun makeFolder(folder: File) {
        RealDisk.makeFolder(folder)
        changed(folder.parentFile) { folder.deleteRecursively() }
    }

    override fun write(file: File, source: InputStream) {
        val all = source.readBytes()
        file.writeBytes(byteArrayOf())
        changed(file.parentFile) { file.delete() }
        for (end in listOf(all.size / 2, all.size)) {
            file.writeBytes(all.copyOf(end))
            changed(file) { if (it.exists()) it.writeBytes(byteArrayOf()) }
        }
    }

    override fun link(file: File, existing: File): Boolean {
        RealDisk.link(file, existing)
        changed(file.parentFile) { file.delete() }
        return true
    }

    override fun rename(file: File, target: File) {
        val replaced = target.takeIf(File::exists)?.readBytes()
        RealDisk.rename(file, target)
        losses.filter { it.kept == file }.forEach { it.kept = target }
        changed(target.parentFile) {
            target.renameTo(file)
            replaced?.let(target::writeBytes)
        }
    }

    override fun delete(file: File) {
        val held = file.takeIf(File::isFile)?.readBytes()
        RealDisk.delete(file)
        changed(file.parentFile) { if (held == null) file.mkdir() else file.writeBytes(held) }
    }

    override fun sync(file: File) {
        RealDisk.sync(file)
        losses.removeAll { it.kept == file }
        step()
    }

    private fun changed(kept: File, loss: (File) -> Unit) {
        losses += Loss(kept, loss)
        step()
    }

    private fun step() {
        left--
        if (left > 0) return
        if (power) losses.reversed().forEach { it.happen(it.kept) }
        throw Stopped()
    }
}
