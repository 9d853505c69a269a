// A picture as apps have it: RGBA bytes, and how the camera was held.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

namespace edgeship {

// Upright bytes [height, width, channels].
struct Pixels {
  size_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> bytes;

  Pixels(size_t rows, size_t columns, size_t count)
      : height(rows), width(columns), channels(count), bytes(rows * columns * count) {}

  uint8_t* at(size_t row, size_t column) { return &bytes[(row * width + column) * channels]; }
  const uint8_t* at(size_t row, size_t column) const { return &bytes[(row * width + column) * channels]; }
};

// Rows of RGBA bytes, not premultiplied, which the caller keeps; alpha is not looked at. Orientation as EXIF has it:
// 1 upright, 3 upside down, 6 turn it right, 8 turn it left, 2, 4, 5 and 7 mirrored.
class Picture {
 public:
  // stride_bytes: from one row to the next; 0: 4 × width. std::invalid_argument for what is no picture.
  Picture(const uint8_t* rgba, size_t size_bytes, size_t width, size_t height, size_t stride_bytes = 0,
          int orientation = 1)
      : rgba_(rgba), width_(width), height_(height), stride_(stride_bytes ? stride_bytes : 4 * width),
        orientation_(orientation) {
    if (width < 1 || height < 1 || orientation < 1 || orientation > 8)
      throw std::invalid_argument("no picture: no pixels, or an orientation that is not 1 to 8");
    if (stride_ < 4 * width || size_bytes < stride_ * (height - 1) + 4 * width)
      throw std::invalid_argument("fewer bytes than a picture of this size has");
  }

  // Three channels, or one of grey by Pillow's weights (ITU-R BT.601).
  Pixels pixels(bool grey) const {
    const bool turned = orientation_ >= 5;
    const bool down = orientation_ == 3 || orientation_ == 4 || orientation_ == 7 || orientation_ == 8;
    const bool left = orientation_ == 2 || orientation_ == 3 || orientation_ == 6 || orientation_ == 7;
    Pixels upright(turned ? width_ : height_, turned ? height_ : width_, grey ? 1 : 3);
    for (size_t y = 0; y < upright.height; ++y) {
      const size_t row = down ? upright.height - 1 - y : y;
      for (size_t x = 0; x < upright.width; ++x) {
        const size_t column = left ? upright.width - 1 - x : x;
        const uint8_t* from = rgba_ + (turned ? column * stride_ + 4 * row : row * stride_ + 4 * column);
        uint8_t* to = upright.at(y, x);
        if (grey)
          *to = uint8_t((from[0] * 19595u + from[1] * 38470u + from[2] * 7471u + 0x8000u) >> 16);
        else
          std::copy(from, from + 3, to);
      }
    }
    return upright;
  }

 private:
  const uint8_t* rgba_;
  size_t width_, height_, stride_;
  int orientation_;
};

}  // namespace edgeship
