/** A job's inputs read, and its outputs written. */
package edgeship.bench

import edgeship.engine.Tensor
import edgeship.engine.buffer
import edgeship.engine.bytesOf
import java.io.File
import java.io.RandomAccessFile
import java.nio.channels.Channels

/** Inputs of one case in the model's order; the files' bytes are little-endian, as are all machines that Android runs on. */
fun readCase(case: List<TensorFile>, folder: File): List<Tensor> =
    case.map { tensor ->
        val shape = tensor.shape.toLongArray()
        val data = buffer(bytesOf(tensor.dtype, shape))
        RandomAccessFile(File(folder, tensor.path), "r").use { file ->
            file.seek(tensor.offset)
            while (data.hasRemaining()) {
                require(file.channel.read(data) >= 0) { "${tensor.path} is too short for input ${tensor.name}" }
            }
        }
        Tensor(tensor.dtype, shape, data.flip())
    }

/** Outputs of all cases, back to back in one file, which gets its name when it is whole. */
class Capture(private val file: File) : AutoCloseable {
    private val part = File(file.path + ".part")
    private val stream = part.outputStream()
    private val channel = Channels.newChannel(stream)
    private var offset = 0L

    fun write(name: String, tensor: Tensor): OutputTensor {
        val told = OutputTensor(name, tensor.dtype, tensor.shape.toList(), offset)
        val data = tensor.data.duplicate()
        offset += data.remaining()
        while (data.hasRemaining()) channel.write(data)
        return told
    }

    /** All of it is there. */
    fun finish() {
        stream.fd.sync()
        close()
        rename(part, file)
    }

    override fun close() = stream.close()
}
