// Resizing as Pillow 13 does it, byte for byte: one axis after the other, in whole numbers.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "picture.hpp"

namespace edgeship {

namespace detail {

constexpr double kPi = 3.14159265358979323846;
constexpr int kPrecisionBits = 32 - 8 - 2;  // of a weight: 8 bits for a pixel, 2 for sums of weights above 1

inline double sinc(double x) { return x == 0 ? 1.0 : std::sin(x * kPi) / (x * kPi); }

// How far a filter reaches at scale 1, and its weight at a distance.
struct Filter {
  double support;
  double (*weight)(double);
};

inline Filter filter(const std::string& name) {
  if (name == "box") return {0.5, [](double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }};
  if (name == "bilinear") return {1.0, [](double x) { return std::fabs(x) < 1 ? 1 - std::fabs(x) : 0.0; }};
  if (name == "hamming")
    return {1.0, [](double x) {
              x = std::fabs(x);
              if (x == 0) return 1.0;
              if (x >= 1) return 0.0;
              return std::sin(x * kPi) / (x * kPi) * (double(0.54f) + double(0.46f) * std::cos(x * kPi));  // as Pillow's
            }};
  if (name == "bicubic")
    return {2.0, [](double x) {
              const double a = -0.5;
              x = std::fabs(x);
              if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
              if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
              return 0.0;
            }};
  if (name == "lanczos") return {3.0, [](double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0.0; }};
  throw std::invalid_argument("no such filter: " + name);
}

// Which pixels make a new one, and their weights, whose sum is 1, in whole 2^-22ths.
struct Taps {
  size_t first;
  std::vector<int32_t> weights;
};

inline std::vector<Taps> taps(size_t size, size_t wanted, const Filter& filter) {
  const double scale = double(size) / double(wanted);
  const double stretch = scale > 1 ? scale : 1, reach = filter.support * stretch, inverse = 1 / stretch;
  std::vector<Taps> all;
  for (size_t index = 0; index < wanted; ++index) {
    const double centre = (double(index) + 0.5) * scale;
    const double low = centre - reach + 0.5, high = centre + reach + 0.5;
    const size_t first = low > 0 ? size_t(low) : 0, last = size_t(high) < size ? size_t(high) : size;
    std::vector<double> shares;
    double total = 0;
    for (size_t place = first; place < last; ++place) {
      shares.push_back(filter.weight((double(place) - centre + 0.5) * inverse));
      total += shares.back();
    }
    Taps found{first, {}};
    for (double share : shares) {
      if (total != 0) share /= total;
      found.weights.push_back(int32_t(share * (1 << kPrecisionBits) + (share < 0 ? -0.5 : 0.5)));
    }
    all.push_back(std::move(found));
  }
  return all;
}

// One new value of one channel; neighbours are `step` bytes apart.
inline uint8_t weighed(const uint8_t* from, size_t step, const std::vector<int32_t>& weights) {
  int32_t sum = 1 << (kPrecisionBits - 1);
  for (const int32_t weight : weights) {
    sum += *from * weight;
    from += step;
  }
  sum >>= kPrecisionBits;
  return uint8_t(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

inline Pixels rows_resized(const Pixels& pixels, size_t width, const Filter& filter) {
  const std::vector<Taps> all = taps(pixels.width, width, filter);
  Pixels resized(pixels.height, width, pixels.channels);
  for (size_t y = 0; y < resized.height; ++y)
    for (size_t x = 0; x < width; ++x)
      for (size_t c = 0; c < pixels.channels; ++c)
        resized.at(y, x)[c] = weighed(pixels.at(y, all[x].first) + c, pixels.channels, all[x].weights);
  return resized;
}

inline Pixels columns_resized(const Pixels& pixels, size_t height, const Filter& filter) {
  const std::vector<Taps> all = taps(pixels.height, height, filter);
  Pixels resized(height, pixels.width, pixels.channels);
  const size_t row = pixels.width * pixels.channels;
  for (size_t y = 0; y < height; ++y)
    for (size_t i = 0; i < row; ++i)
      resized.at(y, 0)[i] = weighed(pixels.at(all[y].first, 0) + i, row, all[y].weights);
  return resized;
}

// Places are summed up, as Pillow does, with its rounding.
inline std::vector<size_t> nearest(size_t size, size_t wanted) {
  const double step = double(size) / double(wanted);
  double place = step * 0.5;
  std::vector<size_t> found;
  for (size_t i = 0; i < wanted; ++i) {
    found.push_back(size_t(place));
    place += step;
  }
  return found;
}

}  // namespace detail

// Pixels in another size; interpolation: nearest, box, bilinear, hamming, bicubic, lanczos.
inline Pixels resize(const Pixels& pixels, size_t height, size_t width, const std::string& interpolation) {
  if (pixels.height == height && pixels.width == width) return pixels;
  if (interpolation == "nearest") {
    const std::vector<size_t> rows = detail::nearest(pixels.height, height);
    const std::vector<size_t> columns = detail::nearest(pixels.width, width);
    Pixels resized(height, width, pixels.channels);
    for (size_t y = 0; y < height; ++y)
      for (size_t x = 0; x < width; ++x) {
        const uint8_t* from = pixels.at(rows[y], columns[x]);
        std::copy(from, from + pixels.channels, resized.at(y, x));
      }
    return resized;
  }
  const detail::Filter filter = detail::filter(interpolation);
  const int64_t lost_rows = int64_t(pixels.height) - int64_t(height);
  const int64_t lost_columns = int64_t(pixels.width) - int64_t(width);
  Pixels resized = pixels;
  if (lost_rows > 0 && lost_rows > 2 * lost_columns) {
    resized = detail::columns_resized(resized, height, filter);
    return lost_columns ? detail::rows_resized(resized, width, filter) : resized;
  }
  if (lost_columns) resized = detail::rows_resized(resized, width, filter);
  return lost_rows ? detail::columns_resized(resized, height, filter) : resized;
}

}  // namespace edgeship
