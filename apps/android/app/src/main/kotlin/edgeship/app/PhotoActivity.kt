/** Live sample of image classifiers: pick a photo and see its classes. */
package edgeship.app

import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.media.ExifInterface
import android.net.Uri
import android.os.Bundle
import android.widget.ImageView
import android.widget.TextView
import edgeship.bundle.Loaded
import edgeship.contract.Picture
import edgeship.contract.classified
import java.io.IOException
import java.nio.ByteBuffer

private const val PICK = 1
private const val SHOWN = 5
private const val MOST_PIXELS = 16_000_000

class PhotoActivity : ModelScreen() {
    private lateinit var view: ImageView
    private lateinit var answer: TextView

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        view = ImageView(this).apply { adjustViewBounds = true }
    }

    override fun ready(loaded: Loaded) {
        if (loaded.contract.images.isEmpty()) {
            text("This model's contract has no picture among its inputs.")
            return
        }
        button("Pick a photo") {
            val asked = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*")
            startActivityForResult(asked, PICK)
        }
        answer = text("")
        add(view)
    }

    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        val uri = data?.data
        val loaded = loaded
        if (requestCode != PICK || resultCode != Activity.RESULT_OK || uri == null || loaded == null) return
        behind({ loaded.classified(picture(pixels(uri), orientation(uri)), SHOWN) to decoded(uri, BitmapFactory.Options()) }) { (best, bitmap) ->
            view.setImageBitmap(bitmap)
            answer.text = best.joinToString("\n") { "%s  %.3f".format(it.label, it.score) }
        }
    }

    // docs: picture
    /** The pixels as they are stored: not turned, not scaled to the screen, alpha apart. Android draws no such bitmap. */
    private fun pixels(uri: Uri): Bitmap {
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        contentResolver.openInputStream(uri)?.use { BitmapFactory.decodeStream(it, null, bounds) }
        if (bounds.outWidth.toLong() * bounds.outHeight > MOST_PIXELS) throw IOException("more than $MOST_PIXELS pixels")
        return decoded(uri, BitmapFactory.Options().apply {
            inScaled = false
            inPremultiplied = false
            inPreferredConfig = Bitmap.Config.ARGB_8888
        })
    }

    private fun decoded(uri: Uri, options: BitmapFactory.Options): Bitmap =
        contentResolver.openInputStream(uri)?.use { BitmapFactory.decodeStream(it, null, options) }
            ?: throw IOException("$uri is no picture that Android reads")

    private fun orientation(uri: Uri): Int =
        contentResolver.openInputStream(uri)?.use {
            ExifInterface(it).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
        }?.takeIf { it in 1..8 } ?: 1

    /** ARGB_8888 lies in memory as red, green, blue, alpha. */
    private fun picture(bitmap: Bitmap, orientation: Int): Picture {
        val rgba = ByteArray(bitmap.byteCount)
        bitmap.copyPixelsToBuffer(ByteBuffer.wrap(rgba))
        return Picture(rgba, bitmap.width, bitmap.height, bitmap.rowBytes, orientation)
    }
    // docs: end
}
