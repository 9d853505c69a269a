// The part of ONNX Runtime's C API that the agent calls. Its wheels bring the library and no header.
//
// The API is one table of functions. What stands where never changes (ONNX Runtime's promise of a stable ABI: a version
// only adds to the end), so a function is known by its place and its type. The places are those of API version 21.
#pragma once

#include <cstddef>
#include <cstdint>

struct OrtEnv;
struct OrtStatus;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtMemoryInfo;
struct OrtValue;
struct OrtTensorTypeAndShapeInfo;
struct OrtAllocator;

struct OrtApiBase {
  const void* const* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

extern "C" const OrtApiBase* OrtGetApiBase();

namespace ort {

inline constexpr uint32_t kApi = 21;
inline constexpr int kWarning = 2, kDeviceAllocator = 0, kDefaultMemory = 0;

// A function of the table: its place, and its type.
template <size_t Place, typename Type>
struct Function;

template <size_t Place, typename Answer, typename... Given>
struct Function<Place, Answer(Given...)> {
  Answer operator()(Given... given) const {
    static const auto call = reinterpret_cast<Answer (*)(Given...)>(OrtGetApiBase()->GetApi(kApi)[Place]);
    return call(given...);
  }
};

using Status = OrtStatus*;

inline constexpr Function<2, const char*(const OrtStatus*)> GetErrorMessage;
inline constexpr Function<3, Status(int, const char*, OrtEnv**)> CreateEnv;
inline constexpr Function<7, Status(const OrtEnv*, const char*, const OrtSessionOptions*, OrtSession**)> CreateSession;
inline constexpr Function<9, Status(OrtSession*, const OrtRunOptions*, const char* const*, const OrtValue* const*, size_t,
                                    const char* const*, size_t, OrtValue**)> Run;
inline constexpr Function<10, Status(OrtSessionOptions**)> CreateSessionOptions;
inline constexpr Function<14, Status(OrtSessionOptions*, const char*)> EnableProfiling;
inline constexpr Function<23, Status(OrtSessionOptions*, int)> SetSessionGraphOptimizationLevel;
inline constexpr Function<24, Status(OrtSessionOptions*, int)> SetIntraOpNumThreads;
inline constexpr Function<25, Status(OrtSessionOptions*, int)> SetInterOpNumThreads;
inline constexpr Function<30, Status(const OrtSession*, size_t*)> SessionGetInputCount;
inline constexpr Function<31, Status(const OrtSession*, size_t*)> SessionGetOutputCount;
inline constexpr Function<36, Status(const OrtSession*, size_t, OrtAllocator*, char**)> SessionGetInputName;
inline constexpr Function<37, Status(const OrtSession*, size_t, OrtAllocator*, char**)> SessionGetOutputName;
inline constexpr Function<49, Status(const OrtMemoryInfo*, void*, size_t, const int64_t*, size_t, int, OrtValue**)>
    CreateTensorWithDataAsOrtValue;
inline constexpr Function<51, Status(OrtValue*, void**)> GetTensorMutableData;
inline constexpr Function<60, Status(const OrtTensorTypeAndShapeInfo*, int*)> GetTensorElementType;
inline constexpr Function<61, Status(const OrtTensorTypeAndShapeInfo*, size_t*)> GetDimensionsCount;
inline constexpr Function<62, Status(const OrtTensorTypeAndShapeInfo*, int64_t*, size_t)> GetDimensions;
inline constexpr Function<65, Status(const OrtValue*, OrtTensorTypeAndShapeInfo**)> GetTensorTypeAndShape;
inline constexpr Function<69, Status(int, int, OrtMemoryInfo**)> CreateCpuMemoryInfo;
inline constexpr Function<76, Status(OrtAllocator*, void*)> AllocatorFree;
inline constexpr Function<78, Status(OrtAllocator**)> GetAllocatorWithDefaultOptions;
inline constexpr Function<92, void(OrtEnv*)> ReleaseEnv;
inline constexpr Function<93, void(OrtStatus*)> ReleaseStatus;
inline constexpr Function<94, void(OrtMemoryInfo*)> ReleaseMemoryInfo;
inline constexpr Function<95, void(OrtSession*)> ReleaseSession;
inline constexpr Function<96, void(OrtValue*)> ReleaseValue;
inline constexpr Function<99, void(OrtTensorTypeAndShapeInfo*)> ReleaseTensorTypeAndShapeInfo;
inline constexpr Function<100, void(OrtSessionOptions*)> ReleaseSessionOptions;
inline constexpr Function<110, Status(OrtSession*, OrtAllocator*, char**)> SessionEndProfiling;
inline constexpr Function<130, Status(OrtSessionOptions*, const char*, const char*)> AddSessionConfigEntry;
inline constexpr Function<228, Status(OrtSessionOptions*, const char*)> RegisterCustomOpsLibrary;

}  // namespace ort
