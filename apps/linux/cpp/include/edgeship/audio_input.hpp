// Sound as a model's input, as the contract of its bundle says.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "model.hpp"

namespace edgeship {

// One frame of one channel: × scale, its mean subtracted, divided by its standard deviation; in double.
struct AudioInput {
  size_t sample_rate_hz;
  size_t frame;  // samples of one input
  double scale = 1;
  bool centre = false;
  bool level = false;

  // Samples between -1 and 1 → float32 [frame]; std::invalid_argument for another number of them than a frame has.
  Tensor apply(const std::vector<float>& samples) const {
    if (samples.size() != frame) throw std::invalid_argument("a frame has another number of samples");
    std::vector<double> values(samples.begin(), samples.end());
    for (double& value : values) value *= scale;
    if (centre) {
      const double middle = mean(values);
      for (double& value : values) value -= middle;
    }
    if (level) {
      const double middle = mean(values);
      double squares = 0;
      for (const double value : values) squares += (value - middle) * (value - middle);
      const double spread = std::max(1e-10, std::sqrt(squares / double(frame)));  // silence stays silence
      for (double& value : values) value /= spread;
    }
    std::vector<float> made;
    for (const double value : values) made.push_back(float(value));
    return Tensor::of("float32", {int64_t(frame)}, made);
  }

 private:
  static double mean(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / double(values.size());
  }
};

}  // namespace edgeship
