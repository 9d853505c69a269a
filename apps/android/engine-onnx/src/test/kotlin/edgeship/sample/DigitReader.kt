/** From a bundle to the first prediction: what docs/integrate-android.md shows. */
package edgeship.sample

import edgeship.bundle.Device
import edgeship.bundle.Refused
import edgeship.bundle.Root
import edgeship.bundle.Slots
import edgeship.bundle.anchor
import edgeship.bundle.load
import edgeship.engine.OnnxEngine
import edgeship.generated.Digits
import java.io.File
import java.time.Instant
import java.time.temporal.ChronoUnit

private const val THREADS = 4

// docs: device
/** [storage] keeps bundles, [cache] what the runtime opens; [abi] is `Build.SUPPORTED_ABIS.first()`. */
class DigitReader(private val storage: File, private val cache: File, rootJson: ByteArray, private val abi: String) {
    private val engine = OnnxEngine()
    private val root: Root = anchor(rootJson)
    private val slots = Slots(File(storage, "digits"))

    private val device: Device
        get() = Device(
            now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
            compatible = "digits",
            abi = abi,
            runtimes = mapOf(engine.runtime to engine.version),
        )
    // docs: end

    // docs: install
    /** Take a bundle that arrived; it is used from the next [open] on. Answers why it was refused, null where it was not. */
    fun install(bundle: File): Refused? =
        try {
            slots.install(bundle, root, device)
            null
        } catch (refused: Refused) {
            refused
        }
    // docs: end

    // docs: open
    /** Load what is installed, and try it where it is new; null where nothing is left that works. */
    fun open(): Digits? = slots.load(engine, device, File(cache, "digits"), THREADS)?.let { Digits(it.model) }
    // docs: end
}
