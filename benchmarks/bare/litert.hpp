// LiteRT, by its C API: one signature, one input, one output.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "../../apps/agents/native/litert_api.hpp"

class Loop {
 public:
  Loop(const char* path, std::vector<char>& input, const std::vector<int64_t>&, const std::vector<const char*>&) {
    LiteRtEnvironment environment = nullptr;
    LiteRtModel model = nullptr;
    LiteRtSignature signature = nullptr;
    LiteRtOptions options = nullptr;
    LiteRtOpaqueOptions threads = nullptr;
    check(LiteRtCreateEnvironment(0, nullptr, &environment));
    check(LiteRtCreateModelFromFile(environment, path, &model));
    check(LiteRtGetModelSignature(model, 0, &signature));
    check(LiteRtCreateOptions(&options));
    check(LiteRtSetOptionsHardwareAccelerators(options, kLiteRtCpu));
    check(LiteRtCreateOpaqueOptions(kLiteRtCpuOptions, strdup("num_threads = 1\n"), std::free, &threads));
    check(LiteRtAddOpaqueOptions(options, threads));
    check(LiteRtCreateCompiledModel(environment, model, options, &compiled_));
    LiteRtTensor tensor = nullptr;
    check(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor));
    fed_ = buffer(tensor, input.data());
    check(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor));
    answer_ = buffer(tensor, nullptr);
  }

  void feed() {}  // it reads the bytes where they are

  void call() { check(LiteRtRunCompiledModel(compiled_, 0, 1, &fed_, 1, &answer_)); }

 private:
  static LiteRtTensorBuffer buffer(LiteRtTensor tensor, const char* from) {
    LiteRtRankedTensorType type{};
    check(LiteRtGetRankedTensorType(tensor, &type));
    size_t size = sizeof(float);
    for (unsigned axis = 0; axis < type.layout.rank; ++axis) size *= size_t(type.layout.dimensions[axis]);
    void* memory = std::aligned_alloc(kLiteRtAlignment, (size + kLiteRtAlignment) / kLiteRtAlignment * kLiteRtAlignment);
    if (from != nullptr) std::memcpy(memory, from, size);
    LiteRtTensorBuffer made = nullptr;
    check(LiteRtCreateTensorBufferFromHostMemory(&type, memory, size, nullptr, &made));
    return made;
  }

  static void check(int status) {
    if (status != 0) std::abort();
  }

  LiteRtCompiledModel compiled_ = nullptr;
  LiteRtTensorBuffer fed_ = nullptr, answer_ = nullptr;
};
