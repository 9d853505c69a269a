// ONNX Runtime, as its C API's example calls it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "../../apps/agents/native/ort_api.hpp"

class Loop {
 public:
  Loop(const char* path, std::vector<char>& input, const std::vector<int64_t>& shape,
       const std::vector<const char*>& entries) {
    OrtEnv* environment = nullptr;
    OrtMemoryInfo* memory = nullptr;
    OrtSessionOptions* options = nullptr;
    OrtAllocator* allocator = nullptr;
    check(ort::CreateEnv(ort::kWarning, "bare", &environment));
    check(ort::CreateCpuMemoryInfo(ort::kDeviceAllocator, ort::kDefaultMemory, &memory));
    check(ort::CreateSessionOptions(&options));
    check(ort::SetIntraOpNumThreads(options, 1));
    check(ort::SetInterOpNumThreads(options, 1));
    for (size_t i = 0; i + 1 < entries.size(); i += 2)
      check(ort::AddSessionConfigEntry(options, entries[i], entries[i + 1]));
    check(ort::CreateSession(environment, path, options, &session_));
    check(ort::GetAllocatorWithDefaultOptions(&allocator));
    check(ort::SessionGetInputName(session_, 0, allocator, &input_));
    check(ort::SessionGetOutputName(session_, 0, allocator, &output_));
    check(ort::CreateTensorWithDataAsOrtValue(memory, input.data(), input.size(), shape.data(), shape.size(), 1, &fed_));
  }

  void feed() {}  // it reads the bytes where they are

  void call() {
    OrtValue* answer = nullptr;
    check(ort::Run(session_, nullptr, &input_, &fed_, 1, &output_, 1, &answer));
    ort::ReleaseValue(answer);
  }

 private:
  static void check(OrtStatus* status) {
    if (status != nullptr) std::abort();
  }

  OrtSession* session_ = nullptr;
  OrtValue* fed_ = nullptr;
  char *input_ = nullptr, *output_ = nullptr;
};
