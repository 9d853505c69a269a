// What a selective build is, without the build: loaded before ExecuTorch's kernel libraries, it hands the runtime only
// those kernels that a file names, one operator a line.
#include <dlfcn.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include <executorch/runtime/kernel/operator_registry.h>

namespace executorch::ET_RUNTIME_NAMESPACE {

Error register_kernels(const Span<const Kernel> kernels) {
  static const std::set<std::string> wanted = [] {
    std::ifstream file(std::getenv("ONLY_THESE_OPERATORS"));
    std::set<std::string> names;
    for (std::string line; std::getline(file, line);) names.insert(line);
    return names;
  }();
  using Register = Error (*)(const Span<const Kernel>);
  static const auto real = reinterpret_cast<Register>(
      dlsym(RTLD_NEXT, "_ZN10executorch7runtime16register_kernelsENS0_4SpanIKNS0_6KernelEEE"));
  for (const Kernel& kernel : kernels)
    if (wanted.count(kernel.name_) != 0 && real({&kernel, 1}) != Error::Ok) std::abort();
  return Error::Ok;
}

}  // namespace executorch::ET_RUNTIME_NAMESPACE
