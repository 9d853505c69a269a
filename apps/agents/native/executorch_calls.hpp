// What all callers of ExecuTorch need: failures as exceptions, a tensor's bytes in the order of its dimensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <executorch/runtime/core/error.h>
#include <executorch/runtime/core/exec_aten/exec_aten.h>

namespace et {

inline void check(executorch::runtime::Error error, const std::string& what) {
  if (error != executorch::runtime::Error::Ok)
    throw std::runtime_error("cannot " + what + ": " + executorch::runtime::to_string(error));
}

// The last dimension's values side by side, whatever order the file keeps them in (channels last).
inline std::vector<uint8_t> in_order_of_dimensions(const executorch::aten::Tensor& tensor) {
  const auto* data = static_cast<const uint8_t*>(tensor.const_data_ptr());
  const size_t width = size_t(tensor.element_size()), dimensions = size_t(tensor.dim());
  std::vector<uint8_t> bytes;
  bytes.reserve(tensor.nbytes());
  std::vector<size_t> index(dimensions, 0);
  for (size_t left = size_t(tensor.numel()); left > 0; --left) {
    size_t place = 0;
    for (size_t axis = 0; axis < dimensions; ++axis) place += index[axis] * size_t(tensor.strides()[axis]);
    bytes.insert(bytes.end(), data + place * width, data + (place + 1) * width);
    for (size_t axis = dimensions; axis-- > 0;) {
      if (++index[axis] < size_t(tensor.sizes()[axis])) break;
      index[axis] = 0;
    }
  }
  return bytes;
}

}  // namespace et
