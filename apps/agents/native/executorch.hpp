// ExecuTorch: loads a .pte, gives it planned memory, takes and returns tensors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "executorch_api.hpp"
#include "executorch_calls.hpp"
#include "executorch_tracer.hpp"
#include "names.hpp"
#include "tensors.hpp"

using et::check;

class Engine {
 public:
  static constexpr bool kTakesOptions = false;

  Engine(const json& job, const std::string& folder) : wanted_(job, folder) {}

  void start() {
    executorch::runtime::runtime_init();
    auto* pool = executorch::extension::threadpool::get_threadpool();
    if (pool == nullptr || !pool->_unsafe_reset_threadpool(wanted_.threads))
      throw std::runtime_error("cannot set the thread pool to " + std::to_string(wanted_.threads) +
                               ": are /proc/cpuinfo and /sys/devices/system/cpu there, and this CPU's?");
  }

  void load(const std::string& path) {
    using Loader = executorch::extension::MmapDataLoader;
    // a user may lock 8 MB or less: a file that is larger must load all the same
    constexpr auto kLock = Loader::MlockConfig::UseMlockIgnoreErrors;
    loader_.emplace(take(Loader::from(path.c_str(), kLock), "open " + path));
    program_.emplace(take(executorch::runtime::Program::load(&*loader_), "read " + path));
  }

  void prepare() {
    const auto meta = take(program_->method_meta("forward"), "find the method 'forward'");
    for (size_t i = 0; i < meta.num_memory_planned_buffers(); ++i) {
      const size_t size = size_t(take(meta.memory_planned_buffer_size(i), "read the memory plan"));
      buffers_.emplace_back(new uint8_t[size]);  // not zeroed: untouched pages must not count as resident
      spans_.emplace_back(buffers_.back().get(), size);
      planned_bytes_ += int64_t(size);
    }
    planned_.emplace(executorch::runtime::Span<executorch::runtime::Span<uint8_t>>(spans_.data(), spans_.size()));
    manager_.emplace(&method_allocator_, &*planned_, &temporary_allocator_);
    if (wanted_.profiled) tracer_.emplace();
    method_.emplace(take(program_->load_method("forward", &*manager_, tracer_ ? &*tracer_ : nullptr),
                         "load the method 'forward'"));
  }

  void feed(Tensors& tensors) {
    if (tensors.size() != method_->inputs_size())
      throw std::runtime_error("the file has " + std::to_string(method_->inputs_size()) + " inputs, the job " +
                               std::to_string(tensors.size()));
    inputs_.clear();
    for (size_t i = 0; i < tensors.size(); ++i) {
      inputs_.push_back(executorch::extension::make_tensor_ptr(tensors[i].shape, tensors[i].bytes.data(),
                                                               type_of(tensors[i].dtype, kTypes)));
      check(method_->set_input(executorch::runtime::EValue(*inputs_.back()), i), "take input " + tensors[i].name);
    }
  }

  void invoke() {
    const auto error = method_->execute();
    if (error != executorch::runtime::Error::Ok) check(error, "execute");
  }

  // All outputs, named in order; `output_0` … where the job names none.
  Tensors fetch() const {
    const Names& names = wanted_.outputs;
    const size_t count = method_->outputs_size();
    if (!names.empty() && names.size() != count)
      throw std::runtime_error("the file has " + std::to_string(count) + " outputs, the job " +
                               std::to_string(names.size()));
    Tensors outputs;
    for (size_t i = 0; i < count; ++i) {
      const auto& value = method_->get_output(i);
      const std::string name = names.empty() ? "output_" + std::to_string(i) : names[i];
      if (!value.isTensor()) throw std::runtime_error("output " + name + " is not a tensor");
      const auto& tensor = value.toTensor();
      outputs.push_back({name, dtype_of(tensor.scalar_type(), kTypes), {tensor.sizes().begin(), tensor.sizes().end()},
                         et::in_order_of_dimensions(tensor)});
    }
    return outputs;
  }

  // All executions of so many calls.
  std::vector<Executed> profile(Tensors& inputs, int64_t calls) {
    (void)tracer_->taken();  // what loading left there
    for (int64_t call = 0; call < calls; ++call) {
      feed(inputs);
      tracer_->next_call();
      invoke();
    }
    return tracer_->taken();
  }

  int64_t planned_bytes() const { return planned_bytes_; }

  // Nothing: all that it has goes with it.
  void close() {}

 private:
  using ScalarType = executorch::aten::ScalarType;
  static constexpr std::pair<const char*, ScalarType> kTypes[] = {
      {"float32", ScalarType::Float}, {"float16", ScalarType::Half},  {"bfloat16", ScalarType::BFloat16},
      {"float64", ScalarType::Double}, {"int8", ScalarType::Char},    {"uint8", ScalarType::Byte},
      {"int16", ScalarType::Short},    {"uint16", ScalarType::UInt16}, {"int32", ScalarType::Int},
      {"int64", ScalarType::Long},     {"bool", ScalarType::Bool}};

  template <typename T>
  static T take(executorch::runtime::Result<T>&& result, const std::string& what) {
    check(result.error(), what);
    return std::move(result.get());
  }

  Wanted wanted_;
  // in this order: what is declared later uses what is declared before, and is destroyed first
  std::optional<executorch::extension::MmapDataLoader> loader_;
  std::optional<executorch::runtime::Program> program_;
  std::vector<std::unique_ptr<uint8_t[]>> buffers_;
  std::vector<executorch::runtime::Span<uint8_t>> spans_;
  std::optional<executorch::runtime::HierarchicalAllocator> planned_;
  executorch::extension::MallocMemoryAllocator method_allocator_;
  executorch::extension::MallocMemoryAllocator temporary_allocator_;
  std::optional<executorch::runtime::MemoryManager> manager_;
  std::optional<Tracer> tracer_;  // where the job asks for a profile
  std::optional<executorch::runtime::Method> method_;
  std::vector<executorch::extension::TensorPtr> inputs_;
  int64_t planned_bytes_ = 0;
};
