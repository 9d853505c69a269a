/** The bundles that are installed: those in the app's assets, and those that were put beside it. */
package edgeship.app

import android.content.Context
import android.os.Build
import edgeship.bundle.Busy
import edgeship.bundle.Device
import edgeship.bundle.Loaded
import edgeship.bundle.Refused
import edgeship.bundle.Root
import edgeship.bundle.Slots
import edgeship.bundle.anchor
import edgeship.bundle.load
import edgeship.bundle.number
import edgeship.bundle.verify
import java.io.File
import java.io.IOException
import java.time.Instant
import java.time.temporal.ChronoUnit

private const val BUNDLES = "bundles"

/** One product's slots, by the name of the bundle's file. */
class Product(val name: String, val slots: Slots)

class Shelf(private val app: EdgeshipApp) {
    private val folder = File(app.filesDir, BUNDLES)

    /** Versions by product: each is installed once, so that one that was given up is not tried at every start. */
    private val installed = app.getSharedPreferences(BUNDLES, Context.MODE_PRIVATE)

    /** The root of trust that the app ships with. */
    private val root: Root = anchor(app.assets.open("root.json").use { it.readBytes() })

    private val device: Device
        get() = Device(
            now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString(),
            abi = Build.SUPPORTED_ABIS.first(),
            runtimes = mapOf(app.engine.runtime to app.engine.version),
        )

    val products: List<Product>
        get() = folder.list().orEmpty().sorted().map { Product(it, Slots(File(folder, it))) }.filter { it.slots.state != null }

    /** Install what the assets and [extra] (Android/media/PACKAGE/bundles) hold; answers why bundles were refused. */
    fun install(extra: File?): List<String> {
        val refused = mutableListOf<String>()
        val files = app.assets.list(BUNDLES).orEmpty().map(::asset) + extra?.listFiles().orEmpty().filter { it.name.endsWith(".zip") }
        for (file in files) {
            try {
                install(file)
            } catch (refusal: Refused) {
                refused += "${file.name}: ${refusal.message} (${refusal.reason.word})"
            } catch (error: IOException) {
                refused += "${file.name}: ${error.message}" // what is installed already goes on working
            } catch (busy: Busy) {
                // the process died while it tried one: loading goes back first, and this comes at the next start
            }
        }
        return refused
    }

    /** Load a product's bundle, and try it where it is new; null where nothing is left to load. */
    fun load(product: Product): Loaded? =
        product.slots.load(app.engine, device, File(app.cacheDir, "models/${product.name}"), THREADS)

    private fun install(file: File) {
        val slots = Slots(File(folder, file.nameWithoutExtension))
        val version = verify(file, slots.newer(root), device).manifest.number("version")
        if (version <= installed.getLong(slots.folder.name, 0)) return
        slots.install(file, root, device)
        installed.edit().putLong(slots.folder.name, version).commit()
    }

    // docs: asset
    /** Assets have no names in the file system: this one's bytes, copied. */
    private fun asset(name: String): File {
        val copy = File(app.cacheDir, name)
        app.assets.open("$BUNDLES/$name").use { from -> copy.outputStream().use { from.copyTo(it) } }
        return copy
    }
    // docs: end

    companion object {
        /** What phones' large cores take without waiting for one another. */
        const val THREADS = 4
    }
}

/** The app behind any of its screens. */
val Context.edgeship: EdgeshipApp get() = applicationContext as EdgeshipApp
