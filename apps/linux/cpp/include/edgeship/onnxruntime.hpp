// ONNX Runtime through its C API; its declarations are apps/agents/native/ort_*.hpp, so no SDK is needed, only the
// library (libonnxruntime.so.1 of a release or of the Python wheel).
#pragma once

#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "model.hpp"
#include "ort_calls.hpp"

namespace edgeship {

using ort::check;

// Whether a session's entry does more than cost time: where VNNI is, int8 products are exact without this one.
inline bool is_needed([[maybe_unused]] const std::string& entry) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (entry == "session.x64quantprecision") return !__builtin_cpu_supports("avx512vnni");
#endif
  return true;
}

class OnnxModel final : public Model {
 public:
  explicit OnnxModel(const Load& load) {
    check(ort::CreateEnv(ort::kWarning, "edgeship", &environment_));
    check(ort::CreateCpuMemoryInfo(ort::kDeviceAllocator, ort::kDefaultMemory, &memory_));
    OrtSessionOptions* settings = nullptr;
    check(ort::CreateSessionOptions(&settings));
    const std::unique_ptr<OrtSessionOptions, void (*)(OrtSessionOptions*)> kept(
        settings, [](OrtSessionOptions* one) { ort::ReleaseSessionOptions(one); });
    check(ort::SetIntraOpNumThreads(settings, int(load.threads)));
    check(ort::SetInterOpNumThreads(settings, 1));
    check(ort::SetSessionGraphOptimizationLevel(settings, ort::optimization_level(load.optimization)));
    for (const std::string& library : load.libraries)
      check(ort::RegisterCustomOpsLibrary(settings, (load.file.substr(0, load.file.rfind('/') + 1) + library).c_str()));
    for (const auto& [key, value] : load.options)
      if (is_needed(key)) check(ort::AddSessionConfigEntry(settings, key.c_str(), value.c_str()));
    check(ort::CreateSession(environment_, load.file.c_str(), settings, &session_));
    inputs_ = chosen(load.inputs, ort::names(session_, ort::SessionGetInputCount, ort::SessionGetInputName));
    outputs_ = chosen(load.outputs, ort::names(session_, ort::SessionGetOutputCount, ort::SessionGetOutputName));
  }

  ~OnnxModel() override {
    if (session_) ort::ReleaseSession(session_);
    if (memory_) ort::ReleaseMemoryInfo(memory_);
    if (environment_) ort::ReleaseEnv(environment_);
  }

  OnnxModel(const OnnxModel&) = delete;
  OnnxModel& operator=(const OnnxModel&) = delete;

  std::vector<Tensor> run(const std::vector<Tensor>& inputs) override {
    if (inputs.size() != inputs_.size()) throw std::runtime_error("the model takes another number of inputs");
    Values fed(inputs.size()), answers(outputs_.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Tensor& tensor = inputs[i];
      // read where it is, and not changed: the C API has no const for it
      auto* data = const_cast<uint8_t*>(tensor.bytes.data());
      check(ort::CreateTensorWithDataAsOrtValue(memory_, data, tensor.bytes.size(), tensor.shape.data(),
                                                tensor.shape.size(), number_of(tensor.dtype), &fed.all[i]));
    }
    const std::vector<const char*> given = pointers(inputs_), wanted = pointers(outputs_);
    check(ort::Run(session_, nullptr, given.data(), fed.all.data(), fed.all.size(), wanted.data(), wanted.size(),
                   answers.all.data()));
    std::vector<Tensor> outputs;
    for (OrtValue* answer : answers.all) outputs.push_back(copied(answer));
    return outputs;
  }

 private:
  struct Type {
    const char* dtype;
    int number;  // ONNXTensorElementDataType
    size_t size_bytes;
  };
  static constexpr Type kTypes[] = {{"float32", 1, 4}, {"uint8", 2, 1}, {"int8", 3, 1},     {"uint16", 4, 2},
                                    {"int16", 5, 2},   {"int32", 6, 4}, {"int64", 7, 8},    {"bool", 9, 1},
                                    {"float16", 10, 2}, {"float64", 11, 8}, {"bfloat16", 16, 2}};

  // Released together.
  struct Values {
    std::vector<OrtValue*> all;

    explicit Values(size_t count) : all(count, nullptr) {}
    Values(const Values&) = delete;
    Values& operator=(const Values&) = delete;
    ~Values() {
      for (OrtValue* value : all)
        if (value) ort::ReleaseValue(value);
    }
  };

  static int number_of(const std::string& dtype) {
    for (const Type& type : kTypes)
      if (dtype == type.dtype) return type.number;
    throw std::runtime_error("no such dtype: " + dtype);
  }

  static Tensor copied(OrtValue* answer) {
    OrtTensorTypeAndShapeInfo* about = nullptr;
    int number = 0;
    size_t rank = 0;
    void* data = nullptr;
    check(ort::GetTensorTypeAndShape(answer, &about));
    check(ort::GetTensorElementType(about, &number));
    check(ort::GetDimensionsCount(about, &rank));
    std::vector<int64_t> shape(rank);
    check(ort::GetDimensions(about, shape.data(), rank));
    ort::ReleaseTensorTypeAndShapeInfo(about);
    check(ort::GetTensorMutableData(answer, &data));
    for (const Type& type : kTypes) {
      if (type.number != number) continue;
      const size_t count = std::accumulate(shape.begin(), shape.end(), size_t(1),
                                           [](size_t product, int64_t size) { return product * size_t(size); });
      const auto* bytes = static_cast<const uint8_t*>(data);
      return {type.dtype, shape, {bytes, bytes + count * type.size_bytes}};
    }
    throw std::runtime_error("an output has a dtype that is not known here");
  }

  static std::vector<std::string> chosen(const std::vector<std::string>& wanted, const std::vector<std::string>& found) {
    std::vector<std::string> names;
    for (const size_t index : positions(wanted, found)) names.push_back(found[index]);
    return names;
  }

  static std::vector<const char*> pointers(const std::vector<std::string>& names) {
    std::vector<const char*> found;
    for (const std::string& name : names) found.push_back(name.c_str());
    return found;
  }

  OrtEnv* environment_ = nullptr;
  OrtMemoryInfo* memory_ = nullptr;
  OrtSession* session_ = nullptr;
  std::vector<std::string> inputs_, outputs_;  // the file's names, in the model's order
};

inline Engine onnxruntime_engine() {
  return {"onnxruntime", [](const Load& load) { return std::make_unique<OnnxModel>(load); }};
}

}  // namespace edgeship
