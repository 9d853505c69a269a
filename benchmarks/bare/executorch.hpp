// ExecuTorch, as its C++ tutorial calls it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../../apps/agents/native/executorch_api.hpp"

class Loop {
 public:
  Loop(const char* path, std::vector<char>& input, const std::vector<int64_t>& shape, const std::vector<const char*>&)
      : loader_((executorch::runtime::runtime_init(), std::move(Loader::from(path, Loader::MlockConfig::NoMlock).get()))),
        program_(std::move(executorch::runtime::Program::load(&loader_).get())) {
    executorch::extension::threadpool::get_threadpool()->_unsafe_reset_threadpool(1);
    const auto meta = program_.method_meta("forward").get();
    for (size_t i = 0; i < meta.num_memory_planned_buffers(); ++i) {
      const size_t size = size_t(meta.memory_planned_buffer_size(i).get());
      buffers_.emplace_back(new uint8_t[size]);
      spans_.emplace_back(buffers_.back().get(), size);
    }
    planned_ = std::make_unique<executorch::runtime::HierarchicalAllocator>(
        executorch::runtime::Span<executorch::runtime::Span<uint8_t>>(spans_.data(), spans_.size()));
    manager_ = std::make_unique<executorch::runtime::MemoryManager>(&lasting_, planned_.get(), &temporary_);
    method_.emplace(std::move(program_.load_method("forward", manager_.get()).get()));
    tensor_ = executorch::extension::make_tensor_ptr({shape.begin(), shape.end()}, input.data());
  }

  void feed() {
    if (method_->set_input(executorch::runtime::EValue(*tensor_), 0) != executorch::runtime::Error::Ok) std::abort();
  }

  void call() {
    if (method_->execute() != executorch::runtime::Error::Ok) std::abort();
  }

 private:
  using Loader = executorch::extension::MmapDataLoader;

  Loader loader_;
  executorch::runtime::Program program_;
  std::vector<std::unique_ptr<uint8_t[]>> buffers_;
  std::vector<executorch::runtime::Span<uint8_t>> spans_;
  executorch::extension::MallocMemoryAllocator lasting_, temporary_;
  std::unique_ptr<executorch::runtime::HierarchicalAllocator> planned_;
  std::unique_ptr<executorch::runtime::MemoryManager> manager_;
  std::optional<executorch::runtime::Method> method_;
  executorch::extension::TensorPtr tensor_;
};
