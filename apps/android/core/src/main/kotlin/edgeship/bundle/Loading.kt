/** From slots to a loaded model: the only place where a new bundle is tried. */
package edgeship.bundle

import edgeship.contract.Contract
import edgeship.engine.Engine
import edgeship.engine.Model
import java.io.File

/** What is in use; [sqnrDb] where it was tried just now, null where it was found good before. */
class Loaded(val bundle: Verified, val artifact: Artifact, val model: Model, val sqnrDb: Double?) {
    /** What the app has to do around the model. */
    val contract: Contract by lazy {
        val about = bundle.manifest.member("contract")
        Contract(about) { place -> bundle.read(about.member("files").text(place)) }
    }
}

/**
 * Load what is installed; null where nothing is. A new bundle's golden samples are tried on this device: it is kept where
 * they come near enough, else the one before is loaded. [folder] is where its files are put under their names.
 *
 * [device] says what the app has; no root is asked, for what is installed was verified when it came. Should the process die
 * in here, the next call gives the bundle before.
 */
fun Slots.load(engine: Engine, device: Device, folder: File, threads: Int): Loaded? {
    while (true) {
        val place = start() ?: return null
        val tried = state?.stage == Stage.TRYING
        val loaded = try {
            loaded(place, engine, device, folder, threads, tried)
        } catch (error: Exception) {
            if (!tried) throw error // nothing is left to go back to
            continue
        }
        if (loaded.sqnrDb == null) return loaded
        if (loaded.sqnrDb >= loaded.artifact.minSqnrDb) {
            foundGood()
            return loaded
        }
        loaded.model.close()
    }
}

private fun loaded(place: File, engine: Engine, device: Device, folder: File, threads: Int, tried: Boolean): Loaded {
    val bundle = installed(place, device)
    val about = bundle.artifacts.first { it.member("runtime").text("name") == engine.runtime }
    val artifact = Artifact(bundle, about)
    folder.deleteRecursively()
    val model = artifact.open(engine, folder, threads)
    try {
        return Loaded(bundle, artifact, model, if (tried) artifact.sqnrDb(model) else null)
    } catch (error: Exception) {
        model.close()
        throw error
    }
}
