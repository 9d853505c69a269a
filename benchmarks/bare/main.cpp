// A loop around one runtime's library and nothing else: what apps/agents/native is compared with.
//
//     runner FILE INPUT DIMENSION,… WARM_SECONDS SECONDS [KEY VALUE]…
//
// INPUT holds one float32 tensor; keys and values are the session's (ONNX Runtime). Prints the median of a call in
// nanoseconds and the process's peak memory in bytes.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include ENGINE

namespace {

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.compare(0, 6, "VmHWM:") == 0) return std::atoll(line.c_str() + 6) * 1024;
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 6) return 2;
  std::ifstream file(arguments[2], std::ios::binary);
  std::vector<char> input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<int64_t> shape;
  for (char* size = std::strtok(arguments[3], ","); size != nullptr; size = std::strtok(nullptr, ","))
    shape.push_back(std::atoll(size));
  Loop loop(arguments[1], input, shape, {arguments + 6, arguments + count});
  const int64_t warm = int64_t(std::atof(arguments[4]) * 1e9), length = int64_t(std::atof(arguments[5]) * 1e9);
  for (const int64_t start = now(); now() - start < warm;) {
    loop.feed();
    loop.call();
  }
  std::vector<int64_t> taken;
  for (const int64_t start = now(); now() - start < length;) {
    loop.feed();  // not measured, as in the agent
    const int64_t began = now();
    loop.call();
    taken.push_back(now() - began);
  }
  std::nth_element(taken.begin(), taken.begin() + std::ptrdiff_t(taken.size() / 2), taken.end());
  std::printf("%lld %lld\n", static_cast<long long>(taken[taken.size() / 2]), static_cast<long long>(peak_bytes()));
  std::_Exit(std::fflush(stdout));  // what the library does at its end is not measured
}
