// Live sample of image classifiers: pick a photo and see its classes.

import BenchCore
import EdgeshipContract
import HarnessCore
import ImageIO
import PhotosUI
import SwiftUI

struct PhotoView: View {
    let samples: Samples
    @State private var picked: PhotosPickerItem?
    @State private var shown: UIImage?
    @State private var answer = ""

    var body: some View {
        if samples.contract.images.isEmpty {
            Text("This model's contract has no picture among its inputs.")
        } else {
            PhotosPicker("Pick a photo", selection: $picked, matching: .images)
            Text(answer)
            if let shown { Image(uiImage: shown).resizable().scaledToFit() }
            Color.clear.frame(height: 0).task(id: picked) { await classify() }
        }
    }

    private func classify() async {
        do {
            guard let data = try await picked?.loadTransferable(type: Data.self) else { return }
            shown = UIImage(data: data)
            answer = lines(try await samples.classified(picture(data)))
        } catch {
            answer = "\(error)"
        }
    }
}

// docs: picture
/// A file's pixels as they are stored, not turned, in sRGB, and how the camera was held.
private func picture(_ data: Data) throws -> Picture {
    guard let source = CGImageSourceCreateWithData(data as CFData, nil),
        let image = CGImageSourceCreateImageAtIndex(source, 0, nil),
        let space = CGColorSpace(name: CGColorSpace.sRGB)
    else { throw WrongFile("no picture that iOS reads") }
    let about = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any]
    let (width, height) = (image.width, image.height)
    var rgba = [UInt8](repeating: 0, count: 4 * width * height)
    try rgba.withUnsafeMutableBytes { bytes in
        let context = CGContext(
            data: bytes.baseAddress, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 4 * width,
            space: space,
            bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
        guard let context else { throw WrongFile("no room for \(width) × \(height) pixels") }
        context.draw(image, in: CGRect(x: 0, y: 0, width: width, height: height))
    }
    let orientation = about?[kCGImagePropertyOrientation] as? Int ?? 1
    return try Picture(rgba: rgba, width: width, height: height, orientation: orientation)
}
// docs: end
