// LiteRT: compiles a .tflite for the CPU (XNNPACK), takes and returns tensors.
#pragma once

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "litert_api.hpp"
#include "names.hpp"
#include "profile.hpp"
#include "tensors.hpp"

// options: xnnpack (false: the runtime's own kernels).
class Engine {
 public:
  static constexpr bool kTakesOptions = true;

  Engine(const json& job, const std::string& folder) : wanted_(job, folder) {
    for (const json& tensor : job.at("cases").at(0)) shapes_.push_back(tensor.at("shape"));
  }

  void start() { check(LiteRtCreateEnvironment(0, nullptr, &environment_), "start"); }

  void load(const std::string& path) {
    check(LiteRtCreateModelFromFile(environment_, path.c_str(), &model_), "read " + path);
    check(LiteRtGetModelSignature(model_, 0, &signature_), "find the file's signature");
    const Names inputs = names(LiteRtGetNumSignatureInputs, LiteRtGetSignatureInputName);
    const Names outputs = names(LiteRtGetNumSignatureOutputs, LiteRtGetSignatureOutputName);
    if (wanted_.outputs.empty()) wanted_.outputs = outputs;
    input_places_ = positions(wanted_.inputs, inputs, "inputs", false);
    output_places_ = positions(wanted_.outputs, outputs, "outputs", false);
  }

  void prepare() {
    LiteRtOptions options = nullptr;
    std::string said = "num_threads = " + std::to_string(wanted_.threads) + "\n";
    if (!wanted_.options.value("xnnpack", true)) said += "kernel_mode = \"builtin\"\n";
    check(LiteRtCreateOptions(&options), "make options");
    check(LiteRtSetOptionsHardwareAccelerators(options, kLiteRtCpu), "choose the CPU");
    add(options, kLiteRtCpuOptions, said);
    if (wanted_.profiled) add(options, kLiteRtRuntimeOptions, "enable_profiling = true\n");
    check(LiteRtCreateCompiledModel(environment_, model_, options, &compiled_), "compile the file");
    LiteRtDestroyOptions(options);
    allocate();
  }

  void feed(Tensors& tensors) {
    std::vector<std::vector<int32_t>> shapes;
    for (const HostTensor& tensor : tensors) shapes.push_back(tensor.shape);
    if (shapes != shapes_) {
      shapes_ = shapes;
      allocate();
    }
    for (size_t i = 0; i < tensors.size(); ++i) {
      Slot& slot = inputs_[input_places_[i]];
      if (tensors[i].dtype != slot.dtype || tensors[i].bytes.size() != slot.size)
        throw std::runtime_error("input " + tensors[i].name + " is " + slot.dtype + " of " + std::to_string(slot.size) +
                                 " bytes in the file, " + tensors[i].dtype + " of " +
                                 std::to_string(tensors[i].bytes.size()) + " in the job");
      std::memcpy(slot.bytes.get(), tensors[i].bytes.data(), slot.size);
    }
  }

  void invoke() {
    check(LiteRtRunCompiledModel(compiled_, 0, input_buffers_.size(), input_buffers_.data(), output_buffers_.size(),
                                 output_buffers_.data()),
          "execute");
  }

  Tensors fetch() const {
    Tensors outputs;
    for (size_t i = 0; i < output_places_.size(); ++i) {
      const Slot& slot = outputs_[output_places_[i]];
      outputs.push_back({wanted_.outputs[i], slot.dtype, slot.shape, {slot.bytes.get(), slot.bytes.get() + slot.size}});
    }
    return outputs;
  }

  // All executions of so many calls.
  std::vector<Executed> profile(Tensors& inputs, int64_t calls) {
    LiteRtProfiler profiler = nullptr;
    check(LiteRtCompiledModelGetProfiler(compiled_, &profiler), "profile");
    std::vector<Executed> executed;
    for (int64_t call = 0; call < calls; ++call) {
      int count = 0;
      feed(inputs);
      check(LiteRtResetProfiler(profiler), "profile");
      check(LiteRtStartProfiler(profiler), "profile");
      invoke();
      check(LiteRtStopProfiler(profiler), "profile");
      check(LiteRtGetNumProfilerEvents(profiler, &count), "profile");
      std::vector<LiteRtEvent> events(size_t(count), LiteRtEvent{});
      check(LiteRtGetProfilerEvents(profiler, count, events.data()), "profile");
      std::map<std::string, int> seen;
      for (const LiteRtEvent& event : events) {
        const bool delegated = event.type == kLiteRtDelegatedOperator;
        if (!delegated && event.type != kLiteRtOperator) continue;  // calls contain what they call
        const std::string name = event.tag;
        executed.push_back(
            {numbered(name, seen), kind_of(name), delegated ? "xnnpack" : "", int64_t(event.elapsed_us) * 1000});
      }
    }
    return executed;
  }

  int64_t planned_bytes() const { return 0; }

  // Gives back what a process that ends keeps.
  void close() {
    for (LiteRtTensorBuffer buffer : input_buffers_) LiteRtDestroyTensorBuffer(buffer);
    for (LiteRtTensorBuffer buffer : output_buffers_) LiteRtDestroyTensorBuffer(buffer);
    LiteRtDestroyCompiledModel(compiled_);
    LiteRtDestroyModel(model_);
    LiteRtDestroyEnvironment(environment_);
  }

 private:
  struct Free {
    void operator()(uint8_t* bytes) const { std::free(bytes); }
  };
  // One input or output: memory of ours that the runtime reads or writes.
  struct Slot {
    std::string dtype;
    std::vector<int32_t> shape;
    size_t size = 0;
    std::unique_ptr<uint8_t[], Free> bytes;
  };

  // LiteRtElementType
  static constexpr std::pair<const char*, int> kTypes[] = {
      {"float32", 1}, {"int32", 2},    {"uint8", 3},    {"int64", 4},    {"bool", 6},     {"int16", 7},
      {"int8", 9},    {"float16", 10}, {"float64", 11}, {"uint16", 17},  {"bfloat16", 19}};

  // For the shapes of the inputs that are to come.
  void allocate() {
    for (LiteRtTensorBuffer buffer : input_buffers_) LiteRtDestroyTensorBuffer(buffer);
    for (LiteRtTensorBuffer buffer : output_buffers_) LiteRtDestroyTensorBuffer(buffer);
    input_buffers_.assign(input_places_.size(), nullptr);
    inputs_.resize(input_places_.size());
    for (size_t i = 0; i < input_places_.size(); ++i) {
      const size_t place = input_places_[i];
      LiteRtRankedTensorType type = ranked(LiteRtGetSignatureInputTensorByIndex, place);
      const std::vector<int32_t> held(type.layout.dimensions, type.layout.dimensions + type.layout.rank);
      if (held != shapes_[i]) {
        check(LiteRtCompiledModelResizeInputTensorNonStrict(compiled_, 0, place, shapes_[i].data(), shapes_[i].size()),
              "take input " + wanted_.inputs[i] + " of another size");
        type.layout.rank = unsigned(shapes_[i].size());
        std::copy(shapes_[i].begin(), shapes_[i].end(), type.layout.dimensions);
      }
      inputs_[place] = slot(type, &input_buffers_[place]);
    }
    std::vector<LiteRtLayout> layouts(output_places_.size());
    check(LiteRtGetCompiledModelOutputTensorLayouts(compiled_, 0, layouts.size(), layouts.data(), true),
          "find the outputs' sizes");
    output_buffers_.assign(layouts.size(), nullptr);
    outputs_.resize(layouts.size());
    for (size_t place = 0; place < layouts.size(); ++place) {
      LiteRtRankedTensorType type = ranked(LiteRtGetSignatureOutputTensorByIndex, place);
      type.layout = layouts[place];
      outputs_[place] = slot(type, &output_buffers_[place]);
    }
  }

  template <typename Find>
  LiteRtRankedTensorType ranked(const Find& find, size_t place) const {
    LiteRtTensor tensor = nullptr;
    LiteRtRankedTensorType type{};
    check(find(signature_, place, &tensor), "find a tensor of the signature");
    check(LiteRtGetRankedTensorType(tensor, &type), "find a tensor's type");
    return type;
  }

  static Slot slot(const LiteRtRankedTensorType& type, LiteRtTensorBuffer* buffer) {
    Slot made;
    made.dtype = dtype_of(type.element_type, kTypes);
    made.shape.assign(type.layout.dimensions, type.layout.dimensions + type.layout.rank);
    made.size = item_size(made.dtype);
    for (const int32_t size : made.shape) made.size *= size_t(size);
    const size_t whole = (made.size + kLiteRtAlignment) / kLiteRtAlignment * kLiteRtAlignment;
    made.bytes.reset(static_cast<uint8_t*>(std::aligned_alloc(kLiteRtAlignment, whole)));
    check(LiteRtCreateTensorBufferFromHostMemory(&type, made.bytes.get(), made.size, nullptr, buffer), "share memory");
    return made;
  }

  template <typename Count, typename Name>
  Names names(const Count& count_of, const Name& name_of) const {
    size_t count = 0;
    check(count_of(signature_, &count), "count the signature's tensors");
    Names found;
    for (size_t i = 0; i < count; ++i) {
      const char* name = nullptr;
      check(name_of(signature_, i, &name), "name the signature's tensors");
      found.emplace_back(name);
    }
    return found;
  }

  // The options take over what they are told.
  static void add(LiteRtOptions options, const char* identifier, const std::string& said) {
    LiteRtOpaqueOptions opaque = nullptr;
    check(LiteRtCreateOpaqueOptions(identifier, strdup(said.c_str()), std::free, &opaque), "set options");
    check(LiteRtAddOpaqueOptions(options, opaque), "set options");
  }

  static void check(int status, const std::string& what) {
    if (status != 0) throw std::runtime_error("cannot " + what + ": LiteRT's status " + std::to_string(status));
  }

  Wanted wanted_;
  std::vector<std::vector<int32_t>> shapes_;  // of the inputs, in the job's order
  // these live as long as the process, or until close()
  LiteRtEnvironment environment_ = nullptr;
  LiteRtModel model_ = nullptr;
  LiteRtSignature signature_ = nullptr;
  LiteRtCompiledModel compiled_ = nullptr;
  std::vector<size_t> input_places_, output_places_;  // in the file, for each of the job's
  std::vector<Slot> inputs_, outputs_;                // in the file's order, as are the buffers
  std::vector<LiteRtTensorBuffer> input_buffers_, output_buffers_;
};
