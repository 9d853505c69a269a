// ExecuTorch through its Module class; compile with the headers and the flags of its build or Python wheel.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

#include "executorch_calls.hpp"
#include "model.hpp"

namespace edgeship {

using et::check;

class ExecuTorchModel final : public Model {
 public:
  // Threads are the process's: executorch::extension::threadpool::get_threadpool() has them.
  explicit ExecuTorchModel(const Load& load)
      : module_(load.file, executorch::extension::Module::LoadMode::MmapUseMlockIgnoreErrors) {
    check(module_.load_forward(), "load " + load.file);
  }

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
    std::vector<executorch::extension::TensorPtr> kept;
    std::vector<executorch::runtime::EValue> given;
    for (const Tensor& tensor : inputs) {
      std::vector<executorch::aten::SizesType> shape(tensor.shape.begin(), tensor.shape.end());
      auto* data = const_cast<uint8_t*>(tensor.bytes.data());  // read where it is, and not changed
      kept.push_back(executorch::extension::make_tensor_ptr(std::move(shape), data, type_of(tensor.dtype)));
      given.emplace_back(*kept.back());
    }
    auto answers = module_.forward(given);
    check(answers.error(), "execute");
    std::vector<Tensor> outputs;
    for (const auto& value : *answers) {
      if (!value.isTensor()) throw std::runtime_error("an output is not a tensor");
      outputs.push_back(copied(value.toTensor()));
    }
    return outputs;
  }

 private:
  using ScalarType = executorch::aten::ScalarType;
  static constexpr std::pair<const char*, ScalarType> kTypes[] = {
      {"float32", ScalarType::Float}, {"float16", ScalarType::Half}, {"float64", ScalarType::Double},
      {"int8", ScalarType::Char},     {"uint8", ScalarType::Byte},   {"int16", ScalarType::Short},
      {"int32", ScalarType::Int},     {"int64", ScalarType::Long},   {"bool", ScalarType::Bool}};

  static ScalarType type_of(const std::string& dtype) {
    for (const auto& [name, type] : kTypes)
      if (dtype == name) return type;
    throw std::runtime_error("no such dtype: " + dtype);
  }

  static Tensor copied(const executorch::aten::Tensor& tensor) {
    for (const auto& [name, type] : kTypes)
      if (type == tensor.scalar_type())
        return {name, {tensor.sizes().begin(), tensor.sizes().end()}, et::in_order_of_dimensions(tensor)};
    throw std::runtime_error("an output has a dtype that is not known here");
  }

  executorch::extension::Module module_;
};

inline Engine executorch_engine() {
  return {"executorch", [](const Load& load) { return std::make_unique<ExecuTorchModel>(load); }};
}

}  // namespace edgeship
