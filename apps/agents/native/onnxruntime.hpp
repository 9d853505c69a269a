// ONNX Runtime: loads an .onnx for its CPU provider, takes and returns tensors.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "names.hpp"
#include "ort_calls.hpp"
#include "profile.hpp"
#include "tensors.hpp"

using ort::check;

// options: graph_optimization (disable, basic, extended, all), config (entries), custom_op_libraries (names of files
// beside the model).
class Engine {
 public:
  static constexpr bool kTakesOptions = true;

  Engine(const json& job, const std::string& folder) : wanted_(job, folder) {}
  ~Engine() {
    for (OrtValue* value : fed_) ort::ReleaseValue(value);
    for (OrtValue* value : answers_) ort::ReleaseValue(value);
  }

  void start() {
    check(ort::CreateEnv(ort::kWarning, "edgeship", &environment_));
    check(ort::CreateCpuMemoryInfo(ort::kDeviceAllocator, ort::kDefaultMemory, &memory_));
  }

  void load(const std::string& path) {
    OrtSessionOptions* session = nullptr;
    check(ort::CreateSessionOptions(&session));
    check(ort::SetIntraOpNumThreads(session, int(wanted_.threads)));
    check(ort::SetInterOpNumThreads(session, 1));
    const int level = ort::optimization_level(wanted_.options.value("graph_optimization", "all"));
    check(ort::SetSessionGraphOptimizationLevel(session, level));
    for (const std::string library : wanted_.options.value("custom_op_libraries", json::array()))
      check(ort::RegisterCustomOpsLibrary(session, (std::filesystem::path(path).parent_path() / library).c_str()));
    for (const auto& [key, value] : wanted_.options.value("config", std::map<std::string, std::string>()))
      check(ort::AddSessionConfigEntry(session, key.c_str(), value.c_str()));
    if (wanted_.profiled) check(ort::EnableProfiling(session, (wanted_.folder + "/profile").c_str()));
    check(ort::CreateSession(environment_, path.c_str(), session, &session_));
    ort::ReleaseSessionOptions(session);
    const Names inputs = ort::names(session_, ort::SessionGetInputCount, ort::SessionGetInputName);
    const Names outputs = ort::names(session_, ort::SessionGetOutputCount, ort::SessionGetOutputName);
    if (wanted_.outputs.empty()) wanted_.outputs = outputs;
    for (const size_t index : positions(wanted_.inputs, inputs, "inputs", wanted_.by_name))
      inputs_.push_back(inputs[index]);
    for (const size_t index : positions(wanted_.outputs, outputs, "outputs", wanted_.by_name))
      outputs_.push_back(outputs[index]);
    for (const std::string& name : inputs_) input_names_.push_back(name.c_str());
    for (const std::string& name : outputs_) output_names_.push_back(name.c_str());
    answers_.resize(outputs_.size(), nullptr);
  }

  void prepare() {}

  // The session reads the bytes where they are.
  void feed(Tensors& tensors) {
    for (OrtValue* value : fed_) ort::ReleaseValue(value);
    fed_.assign(tensors.size(), nullptr);
    for (size_t i = 0; i < tensors.size(); ++i) {
      HostTensor& tensor = tensors[i];
      const std::vector<int64_t> shape(tensor.shape.begin(), tensor.shape.end());
      check(ort::CreateTensorWithDataAsOrtValue(memory_, tensor.bytes.data(), tensor.bytes.size(), shape.data(),
                                                shape.size(), type_of(tensor.dtype, kTypes), &fed_[i]));
    }
  }

  void invoke() {
    for (OrtValue*& value : answers_) ort::ReleaseValue(std::exchange(value, nullptr));
    check(ort::Run(session_, nullptr, input_names_.data(), fed_.data(), fed_.size(), output_names_.data(),
                   answers_.size(), answers_.data()));
  }

  Tensors fetch() const {
    Tensors outputs;
    for (size_t i = 0; i < answers_.size(); ++i) {
      OrtTensorTypeAndShapeInfo* about = nullptr;
      int type = 0;
      size_t rank = 0;
      void* data = nullptr;
      check(ort::GetTensorTypeAndShape(answers_[i], &about));
      check(ort::GetTensorElementType(about, &type));
      check(ort::GetDimensionsCount(about, &rank));
      std::vector<int64_t> shape(rank);
      check(ort::GetDimensions(about, shape.data(), rank));
      ort::ReleaseTensorTypeAndShapeInfo(about);
      check(ort::GetTensorMutableData(answers_[i], &data));
      HostTensor output{wanted_.outputs[i], dtype_of(type, kTypes), {shape.begin(), shape.end()}, {}};
      size_t count = item_size(output.dtype);
      for (const int64_t size : shape) count *= size_t(size);
      output.bytes.assign(static_cast<uint8_t*>(data), static_cast<uint8_t*>(data) + count);
      outputs.push_back(std::move(output));
    }
    return outputs;
  }

  // All executions of so many calls, from the file that the session writes.
  std::vector<Executed> profile(Tensors& inputs, int64_t calls) {
    for (int64_t call = 0; call < calls; ++call) {
      feed(inputs);
      invoke();
    }
    OrtAllocator* allocator = nullptr;
    char* path = nullptr;
    check(ort::GetAllocatorWithDefaultOptions(&allocator));
    check(ort::SessionEndProfiling(session_, allocator, &path));
    std::ifstream file(path);
    const json events = json::parse(file);
    check(ort::AllocatorFree(allocator, path));
    const std::string end = "_kernel_time";
    std::vector<Executed> executed;
    std::set<std::string> begun;
    for (const json& event : events) {
      const std::string name = event.value("name", "");
      if (event.value("cat", "") != "Node" || name.size() <= end.size() ||
          name.compare(name.size() - end.size(), end.size(), end) != 0)
        continue;
      if (begun.insert(name).second) continue;  // the call before, which is no part of the profile
      const std::string type = event.at("args").at("op_name");
      if (type == "If" || type == "Loop" || type == "Scan") continue;  // these contain what they execute
      executed.push_back({name.substr(0, name.size() - end.size()), type, event.at("args").at("provider"),
                          event.at("dur").get<int64_t>() * 1000});
    }
    return executed;
  }

  int64_t planned_bytes() const { return 0; }

  // Gives back what a process that ends keeps.
  void close() {
    for (OrtValue* value : std::exchange(fed_, {})) ort::ReleaseValue(value);
    for (OrtValue* value : std::exchange(answers_, {})) ort::ReleaseValue(value);
    ort::ReleaseSession(session_);
    ort::ReleaseMemoryInfo(memory_);
    ort::ReleaseEnv(environment_);
  }

 private:
  // ONNXTensorElementDataType
  static constexpr std::pair<const char*, int> kTypes[] = {
      {"float32", 1}, {"uint8", 2}, {"int8", 3},     {"uint16", 4},   {"int16", 5},    {"int32", 6},
      {"int64", 7},   {"bool", 9},  {"float16", 10}, {"float64", 11}, {"bfloat16", 16}};

  Wanted wanted_;
  // these live as long as the process, whose threads end with it, or until close()
  OrtEnv* environment_ = nullptr;
  OrtMemoryInfo* memory_ = nullptr;
  OrtSession* session_ = nullptr;
  Names inputs_, outputs_;  // the file's names, in the job's order
  std::vector<const char*> input_names_, output_names_;
  std::vector<OrtValue*> fed_, answers_;
};
