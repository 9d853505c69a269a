// What all callers of ONNX Runtime's C API need: failures as exceptions, a session's names, levels of optimization.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ort_api.hpp"

namespace ort {

inline void check(OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = GetErrorMessage(status);
  ReleaseStatus(status);
  throw std::runtime_error(message);
}

// GraphOptimizationLevel
inline int optimization_level(const std::string& wanted) {
  for (const auto& [name, number] : {std::pair{"disable", 0}, {"basic", 1}, {"extended", 2}, {"all", 99}})
    if (wanted == name) return number;
  throw std::runtime_error("no such graph_optimization: " + wanted);
}

// Of inputs or outputs, by the functions that count and name them.
template <typename Count, typename Name>
std::vector<std::string> names(const OrtSession* session, const Count& count_of, const Name& name_of) {
  OrtAllocator* allocator = nullptr;
  size_t count = 0;
  check(GetAllocatorWithDefaultOptions(&allocator));
  check(count_of(session, &count));
  std::vector<std::string> found;
  for (size_t i = 0; i < count; ++i) {
    char* name = nullptr;
    check(name_of(session, i, allocator, &name));
    found.emplace_back(name);
    check(AllocatorFree(allocator, name));
  }
  return found;
}

}  // namespace ort
