// The part of LiteRT's C API that the agent calls. Its wheels bring the library and no header.
#pragma once

#include <cstddef>
#include <cstdint>

inline constexpr int kLiteRtCpu = 1;
inline constexpr size_t kLiteRtAlignment = 64;
inline constexpr const char* kLiteRtCpuOptions = "xnnpack";  // the identifier; what follows it is TOML
inline constexpr const char* kLiteRtRuntimeOptions = "runtime_options_string";
inline constexpr int kLiteRtOperator = 2, kLiteRtDelegatedOperator = 8;  // LiteRtProfilerEventType

extern "C" {
typedef struct LiteRtEnvironmentT* LiteRtEnvironment;
typedef struct LiteRtModelT* LiteRtModel;
typedef struct LiteRtSignatureT* LiteRtSignature;
typedef struct LiteRtTensorT* LiteRtTensor;
typedef struct LiteRtOptionsT* LiteRtOptions;
typedef struct LiteRtOpaqueOptionsT* LiteRtOpaqueOptions;
typedef struct LiteRtCompiledModelT* LiteRtCompiledModel;
typedef struct LiteRtTensorBufferT* LiteRtTensorBuffer;
typedef struct LiteRtProfilerT* LiteRtProfiler;

struct LiteRtLayout {
  unsigned int rank : 7;
  unsigned int has_strides : 1;
  int32_t dimensions[8];
  uint32_t strides[8];
};

struct LiteRtRankedTensorType {
  int element_type;
  LiteRtLayout layout;
};

struct LiteRtMemoryUsage {
  size_t bytes[3];
};

struct LiteRtEvent {
  const char* tag;  // the profiler's
  int type;
  uint64_t start_us, elapsed_us;
  LiteRtMemoryUsage before, after;
  uint64_t metadata[2];
  int source;
};

int LiteRtCreateEnvironment(int count, const void* options, LiteRtEnvironment*);
int LiteRtCreateModelFromFile(LiteRtEnvironment, const char* path, LiteRtModel*);
int LiteRtGetModelSignature(LiteRtModel, size_t index, LiteRtSignature*);
int LiteRtGetNumSignatureInputs(LiteRtSignature, size_t* count);
int LiteRtGetNumSignatureOutputs(LiteRtSignature, size_t* count);
int LiteRtGetSignatureInputName(LiteRtSignature, size_t index, const char** name);
int LiteRtGetSignatureOutputName(LiteRtSignature, size_t index, const char** name);
int LiteRtGetSignatureInputTensorByIndex(LiteRtSignature, size_t index, LiteRtTensor*);
int LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature, size_t index, LiteRtTensor*);
int LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType*);
int LiteRtCreateOptions(LiteRtOptions*);
int LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int accelerators);
int LiteRtCreateOpaqueOptions(const char* identifier, void* payload, void (*release)(void*), LiteRtOpaqueOptions*);
int LiteRtAddOpaqueOptions(LiteRtOptions, LiteRtOpaqueOptions);
int LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel, LiteRtOptions, LiteRtCompiledModel*);
int LiteRtCompiledModelResizeInputTensorNonStrict(LiteRtCompiledModel, size_t signature, size_t index, const int* sizes,
                                                  size_t rank);
int LiteRtGetCompiledModelOutputTensorLayouts(LiteRtCompiledModel, size_t signature, size_t count, LiteRtLayout*,
                                              bool update);
int LiteRtCreateTensorBufferFromHostMemory(const LiteRtRankedTensorType*, void* memory, size_t size,
                                           void (*release)(void*), LiteRtTensorBuffer*);
int LiteRtRunCompiledModel(LiteRtCompiledModel, size_t signature, size_t inputs, LiteRtTensorBuffer*, size_t outputs,
                           LiteRtTensorBuffer*);
int LiteRtCompiledModelGetProfiler(LiteRtCompiledModel, LiteRtProfiler*);
int LiteRtResetProfiler(LiteRtProfiler);
int LiteRtStartProfiler(LiteRtProfiler);
int LiteRtStopProfiler(LiteRtProfiler);
int LiteRtGetNumProfilerEvents(LiteRtProfiler, int* count);
int LiteRtGetProfilerEvents(LiteRtProfiler, int count, LiteRtEvent*);
void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel);
void LiteRtDestroyOptions(LiteRtOptions);
void LiteRtDestroyModel(LiteRtModel);
void LiteRtDestroyEnvironment(LiteRtEnvironment);
}

static_assert(sizeof(LiteRtLayout) == 68 && sizeof(LiteRtRankedTensorType) == 72 && sizeof(LiteRtEvent) == 104,
              "LiteRT's own layout");
