// A loaded model file, whatever executes it.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace edgeship {

// Numbers in this machine's byte order, in C order; dtypes by the names that manifests have (float32, int64, …).
struct Tensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  // std::invalid_argument where there are more or fewer numbers than the shape has.
  template <typename Number>
  static Tensor of(const std::string& dtype, const std::vector<int64_t>& shape, const std::vector<Number>& numbers) {
    const int64_t count = std::accumulate(shape.begin(), shape.end(), int64_t(1), std::multiplies<int64_t>());
    if (count != int64_t(numbers.size())) throw std::invalid_argument("a tensor has another number of values");
    Tensor tensor{dtype, shape, std::vector<uint8_t>(numbers.size() * sizeof(Number))};
    if (!numbers.empty()) std::memcpy(tensor.bytes.data(), numbers.data(), tensor.bytes.size());
    return tensor;
  }

  // The same numbers as the only sample of a batch.
  Tensor batched() const {
    Tensor tensor = *this;
    tensor.shape.insert(tensor.shape.begin(), 1);
    return tensor;
  }

  // Of a float32 or float16 tensor; std::invalid_argument for another.
  std::vector<float> floats() const {
    if (dtype == "float32") return as<float, float>();
    if (dtype != "float16") throw std::invalid_argument("the tensor is " + dtype + ", not float32 or float16");
    std::vector<float> values;
    for (const uint16_t half : as<uint16_t, uint16_t>()) values.push_back(float_of(half));
    return values;
  }

  // Of any dtype but bfloat16; std::invalid_argument for that.
  std::vector<double> numbers() const {
    if (dtype == "float32" || dtype == "float16") {
      const std::vector<float> values = floats();
      return {values.begin(), values.end()};
    }
    if (dtype == "float64") return as<double, double>();
    if (dtype == "int64") return as<int64_t, double>();
    if (dtype == "int32") return as<int32_t, double>();
    if (dtype == "int16") return as<int16_t, double>();
    if (dtype == "int8") return as<int8_t, double>();
    if (dtype == "uint16") return as<uint16_t, double>();
    if (dtype == "uint8" || dtype == "bool") return as<uint8_t, double>();
    throw std::invalid_argument("the tensor is " + dtype);
  }

 private:
  template <typename Stored, typename Number>
  std::vector<Number> as() const {
    std::vector<Stored> values(bytes.size() / sizeof(Stored));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(Stored));
    std::vector<Number> found;
    for (const Stored value : values) found.push_back(static_cast<Number>(value));
    return found;
  }

  // Sign, 5 bits of exponent, 10 of fraction.
  static float float_of(uint16_t half) {
    const int exponent = (half >> 10) & 31, fraction = half & 1023;
    float value = std::ldexp(float(exponent == 0 ? fraction : 1024 + fraction), exponent == 0 ? -24 : exponent - 25);
    if (exponent == 31)
      value = fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
    return half & 0x8000 ? -value : value;
  }
};

// What to load, and how: the model's own names in its order; tensors are found by them where the file knows them all,
// else by position.
struct Load {
  std::string file;
  std::vector<std::string> inputs, outputs;
  unsigned threads = 1;
  std::vector<std::pair<std::string, std::string>> options = {};  // the runtime's own, as the artifact has them
  std::string optimization = "all";          // of the graph: disable, basic, extended, all
  std::vector<std::string> libraries = {};   // of custom operators: names of files beside the model
};

// Signal to quantization noise of answers against those expected, added up over samples, in dB: infinite where all are
// equal, minus infinite where one has another size or is no number.
class Noise {
 public:
  void add(const std::vector<double>& expected, const std::vector<double>& answered) {
    if (expected.size() != answered.size()) noise_ = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < expected.size() && i < answered.size(); ++i) {
      signal_ += expected[i] * expected[i];
      noise_ += (expected[i] - answered[i]) * (expected[i] - answered[i]);
    }
  }

  double sqnr_db() const {
    if (noise_ == 0) return std::numeric_limits<double>::infinity();
    if (signal_ == 0 || !std::isfinite(noise_)) return -std::numeric_limits<double>::infinity();
    return 10 * (std::log10(signal_) - std::log10(noise_));
  }

 private:
  double signal_ = 0, noise_ = 0;
};

class Model {
 public:
  virtual ~Model() = default;

  // One call: inputs and outputs in the order of Load's names. std::runtime_error where the runtime refuses.
  virtual std::vector<Tensor> run(const std::vector<Tensor>& inputs) = 0;
};

// What opens files of a runtime, which is named as in manifests.
struct Engine {
  std::string runtime;
  std::function<std::unique_ptr<Model>(const Load&)> open;
};

// For each of the wanted names its index among those found: by name if all are there, else by position.
inline std::vector<size_t> positions(const std::vector<std::string>& wanted, const std::vector<std::string>& found) {
  std::vector<size_t> order;
  for (const std::string& name : wanted)
    for (size_t i = 0; i < found.size(); ++i)
      if (found[i] == name) order.push_back(i);
  if (order.size() == wanted.size()) return order;
  if (wanted.size() != found.size()) throw std::runtime_error("the file has other inputs or outputs than the model");
  order.resize(wanted.size());
  std::iota(order.begin(), order.end(), size_t(0));
  return order;
}

}  // namespace edgeship
