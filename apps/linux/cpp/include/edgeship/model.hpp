// A loaded model file, whatever executes it.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
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

  // Of a float32 tensor; std::invalid_argument for another.
  std::vector<float> floats() const {
    if (dtype != "float32") throw std::invalid_argument("the tensor is " + dtype + ", not float32");
    std::vector<float> values(bytes.size() / sizeof(float));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
};

// What to load, and how: the model's own names in its order; tensors are found by them where the file knows them all,
// else by position.
struct Load {
  std::string file;
  std::vector<std::string> inputs, outputs;
  unsigned threads = 1;
  std::vector<std::pair<std::string, std::string>> options = {};  // the runtime's own, as the artifact has them
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
