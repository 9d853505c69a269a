// The part of ONNX Runtime's C API that the tests call. Its wheels bring the library and no header.
//
// The API is one table of functions. What stands where never changes (ONNX Runtime's promise of a stable ABI: a version
// only adds to the end), so a function is known by its place and its type, as in apps/agents/native/ort_api.hpp.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct OrtEnv OrtEnv;
typedef struct OrtStatus OrtStatus;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtValue OrtValue;
typedef struct OrtShape OrtShape;
typedef struct OrtAllocator OrtAllocator;
typedef const void *const *OrtTable;

typedef struct {
  OrtTable (*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} OrtApiBase;

// What the library exports: OrtGetApiBase.
typedef const OrtApiBase *(*OrtEntrance)(void);

// The first parameter is the table, which the function itself does not take.
#define ORT_CALL(answer, name, place, types, declared, given)                  \
  static inline answer ort_##name declared {                                   \
    return ((answer(*) types)api[place]) given;                                \
  }

ORT_CALL(const char *, message, 2, (const OrtStatus *), (OrtTable api, const OrtStatus *status), (status))
ORT_CALL(OrtStatus *, create_env, 3, (int, const char *, OrtEnv **), (OrtTable api, const char *name, OrtEnv **made),
         (2, name, made))
ORT_CALL(OrtStatus *, create_session, 7, (const OrtEnv *, const char *, const OrtSessionOptions *, OrtSession **),
         (OrtTable api, const OrtEnv *env, const char *path, const OrtSessionOptions *options, OrtSession **made),
         (env, path, options, made))
ORT_CALL(OrtStatus *, run, 9,
         (OrtSession *, const void *, const char *const *, const OrtValue *const *, size_t, const char *const *, size_t,
          OrtValue **),
         (OrtTable api, OrtSession *session, const char *const *inputs, const OrtValue *const *fed, size_t count,
          const char *const *outputs, size_t asked, OrtValue **answers),
         (session, NULL, inputs, fed, count, outputs, asked, answers))
ORT_CALL(OrtStatus *, create_options, 10, (OrtSessionOptions **), (OrtTable api, OrtSessionOptions **made), (made))
ORT_CALL(OrtStatus *, set_threads, 24, (OrtSessionOptions *, int), (OrtTable api, OrtSessionOptions *options, int count),
         (options, count))
ORT_CALL(OrtStatus *, input_count, 30, (const OrtSession *, size_t *), (OrtTable api, const OrtSession *of, size_t *count),
         (of, count))
ORT_CALL(OrtStatus *, output_count, 31, (const OrtSession *, size_t *),
         (OrtTable api, const OrtSession *of, size_t *count), (of, count))
ORT_CALL(OrtStatus *, input_name, 36, (const OrtSession *, size_t, OrtAllocator *, char **),
         (OrtTable api, const OrtSession *of, size_t index, OrtAllocator *by, char **name), (of, index, by, name))
ORT_CALL(OrtStatus *, output_name, 37, (const OrtSession *, size_t, OrtAllocator *, char **),
         (OrtTable api, const OrtSession *of, size_t index, OrtAllocator *by, char **name), (of, index, by, name))
ORT_CALL(OrtStatus *, tensor_of, 49, (const OrtMemoryInfo *, void *, size_t, const int64_t *, size_t, int, OrtValue **),
         (OrtTable api, const OrtMemoryInfo *memory, void *data, size_t bytes, const int64_t *shape, size_t rank, int type,
          OrtValue **made),
         (memory, data, bytes, shape, rank, type, made))
ORT_CALL(OrtStatus *, data, 51, (OrtValue *, void **), (OrtTable api, OrtValue *of, void **data), (of, data))
ORT_CALL(OrtStatus *, type, 60, (const OrtShape *, int *), (OrtTable api, const OrtShape *of, int *type), (of, type))
ORT_CALL(OrtStatus *, rank, 61, (const OrtShape *, size_t *), (OrtTable api, const OrtShape *of, size_t *rank), (of, rank))
ORT_CALL(OrtStatus *, dimensions, 62, (const OrtShape *, int64_t *, size_t),
         (OrtTable api, const OrtShape *of, int64_t *sizes, size_t rank), (of, sizes, rank))
ORT_CALL(OrtStatus *, shape, 65, (const OrtValue *, OrtShape **), (OrtTable api, const OrtValue *of, OrtShape **shape),
         (of, shape))
ORT_CALL(OrtStatus *, create_memory, 69, (int, int, OrtMemoryInfo **), (OrtTable api, OrtMemoryInfo **made), (0, 0, made))
ORT_CALL(OrtStatus *, allocator, 78, (OrtAllocator **), (OrtTable api, OrtAllocator **found), (found))
ORT_CALL(void, release_status, 93, (OrtStatus *), (OrtTable api, OrtStatus *status), (status))
ORT_CALL(void, release_session, 95, (OrtSession *), (OrtTable api, OrtSession *session), (session))
ORT_CALL(void, release_value, 96, (OrtValue *), (OrtTable api, OrtValue *value), (value))
ORT_CALL(void, release_shape, 99, (OrtShape *), (OrtTable api, OrtShape *shape), (shape))
ORT_CALL(void, release_options, 100, (OrtSessionOptions *), (OrtTable api, OrtSessionOptions *options), (options))
ORT_CALL(OrtStatus *, set_entry, 130, (OrtSessionOptions *, const char *, const char *),
         (OrtTable api, OrtSessionOptions *options, const char *key, const char *value), (options, key, value))

#undef ORT_CALL
