// A picture as a model's input, as the contract of its bundle says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model.hpp"
#include "picture.hpp"
#include "resize.hpp"

namespace edgeship {

struct Size {
  size_t height = 0, width = 0;
};

// Resize → centre crop → colour order → × scale → (− mean) / std → layout, in float32; compile with
// -ffp-contract=off: a fused multiplication rounds once where Python rounds twice.
struct ImageInput {
  size_t shorter_side = 0;  // pixels; the picture keeps its proportions; 0: `size` says it
  Size size;                // 0 × 0: the picture keeps its size
  Size crop;                // cut from the centre, black where the picture ends; 0 × 0: not cut
  std::string interpolation = "bilinear";
  std::string colour = "rgb";  // rgb, bgr, grey
  double scale = 1.0 / 255;
  std::vector<double> mean = {0}, std = {1};  // one value, or one per channel
  std::string layout = "chw";                 // chw, hwc

  // float32 [channels, height, width], or [height, width, channels].
  Tensor apply(const Picture& picture) const {
    const Pixels pixels = made(picture);
    const size_t area = pixels.height * pixels.width;
    std::vector<float> values(area * pixels.channels);
    for (size_t c = 0; c < pixels.channels; ++c) {
      const float middle = float(mean.size() > 1 ? mean[c] : mean[0]);
      const float spread = float(std.size() > 1 ? std[c] : std[0]);
      for (size_t i = 0; i < area; ++i) {
        const size_t place = layout == "chw" ? c * area + i : i * pixels.channels + c;
        values[place] = (float(pixels.bytes[i * pixels.channels + c]) * float(scale) - middle) / spread;
      }
    }
    const auto height = int64_t(pixels.height), width = int64_t(pixels.width), channels = int64_t(pixels.channels);
    using Shape = std::vector<int64_t>;
    return Tensor::of("float32", layout == "chw" ? Shape{channels, height, width} : Shape{height, width, channels},
                      values);
  }

  // uint8 [height, width, channels], of a model that does the arithmetic in its graph.
  Tensor bytes(const Picture& picture) const {
    const Pixels pixels = made(picture);
    return Tensor::of("uint8", {int64_t(pixels.height), int64_t(pixels.width), int64_t(pixels.channels)}, pixels.bytes);
  }

 private:
  // All but the numbers: of the model's size, channels in its order.
  Pixels made(const Picture& picture) const {
    Pixels pixels = cropped(resized(picture.pixels(colour == "grey")));
    if (colour == "bgr")
      for (size_t i = 0; i < pixels.bytes.size(); i += pixels.channels) std::swap(pixels.bytes[i], pixels.bytes[i + 2]);
    return pixels;
  }

  Pixels resized(const Pixels& pixels) const {
    if (shorter_side) {
      const size_t shorter = std::min(pixels.height, pixels.width);
      return resize(pixels, shorter_side * pixels.height / shorter, shorter_side * pixels.width / shorter,
                    interpolation);
    }
    return size.height ? resize(pixels, size.height, size.width, interpolation) : pixels;
  }

  Pixels cropped(const Pixels& pixels) const {
    if (!crop.height) return pixels;
    const Cut rows(pixels.height, crop.height), columns(pixels.width, crop.width);
    Pixels cut(crop.height, crop.width, pixels.channels);
    for (size_t y = 0; y < rows.count; ++y) {
      const uint8_t* from = pixels.at(rows.from + y, columns.from);
      std::copy(from, from + columns.count * pixels.channels, cut.at(rows.to + y, columns.to));
    }
    return cut;
  }

  // Of one axis: where a centred cut lies in the picture, or the picture in the cut.
  struct Cut {
    size_t from = 0, to = 0, count;

    Cut(size_t size, size_t wanted) : count(std::min(size, wanted)) {
      if (size >= wanted) {
        from = (size - wanted) / 2;
        if ((size - wanted) % 2 && from % 2) ++from;  // to the even one of two as near, as torchvision cuts
      } else {
        to = (wanted - size) / 2;
      }
    }
  };
};

}  // namespace edgeship
