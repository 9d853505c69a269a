// What the kernel knows about this process and machine: clocks, memory counters, start time, facts.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

using json = nlohmann::json;

inline int64_t read_clock(clockid_t id) {
  timespec t;
  clock_gettime(id, &t);
  return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

inline int64_t now() { return read_clock(CLOCK_MONOTONIC); }

// The smallest step seen between two readings, in nanoseconds.
inline int64_t clock_resolution() {
  int64_t smallest = INT64_MAX;
  for (int i = 0; i < 200; ++i) {
    const int64_t before = now();
    int64_t after = now();
    while (after == before) after = now();
    smallest = std::min(smallest, after - before);
  }
  return smallest;
}

// From the kernel's start of this process to now (to one clock tick, usually 10 ms).
inline std::optional<int64_t> since_process_start() {
  const int64_t here = read_clock(CLOCK_BOOTTIME);
  std::ifstream file("/proc/self/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string field;
  for (int i = 0; i < 20; ++i) fields >> field;  // field 22 of the whole line: starttime
  return std::max<int64_t>(0, here - std::stoll(field) * (1'000'000'000 / sysconf(_SC_CLK_TCK)));
}

// Counters of /proc/self/status in bytes.
inline json memory_counters() {
  json found = json::object();
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    for (const auto& [key, name] : {std::pair{"VmRSS:", "vm_rss"}, {"VmHWM:", "vm_hwm"}, {"RssAnon:", "rss_anon"},
                                    {"RssFile:", "rss_file"}, {"VmSwap:", "vm_swap"}}) {
      if (line.rfind(key, 0) == 0) found[name] = std::stoll(line.substr(std::string(key).size())) * 1024;
    }
  }
  return found;
}

// Set the kernel's high-water mark back to what is resident now, and read the counters.
inline json reset_peak_memory() {
  std::ofstream("/proc/self/clear_refs") << "5" << std::flush;
  json counters = memory_counters();
  if (!counters.contains("vm_hwm")) throw std::runtime_error("this system does not tell the peak memory of a process");
  return counters;
}

// Ask the kernel to forget the artifact's pages.
inline std::string drop_page_cache(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY);
  if (file < 0) return "unknown";
  const bool dropped = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED) == 0;
  close(file);
  return dropped ? "dropped" : "unknown";
}

// Use these CPUs only, in every thread that begins after this.
inline void pin(const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  cpu_set_t allowed, wanted;
  CPU_ZERO(&wanted);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) throw std::runtime_error("this system pins no process");
  std::string has, lacks;
  const auto listed = [](std::string& list, int cpu) { list += (list.empty() ? "" : ", ") + std::to_string(cpu); };
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) listed(has, cpu);
  for (const int cpu : cpus) {
    if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &allowed))
      listed(lacks, cpu);
    else
      CPU_SET(cpu, &wanted);
  }
  if (!lacks.empty()) throw std::runtime_error("cannot pin to CPU " + lacks + ": this process may use " + has);
  if (sched_setaffinity(0, sizeof wanted, &wanted) != 0) throw std::runtime_error("cannot pin to CPUs");
}

// What an emulator that counts instructions looks for (apps/agents/emulated/instructions.c): it counts from a begin to
// the next end. Any other kernel knows no such option, refuses it, and nothing happens.
inline void mark(bool begins) { prctl(0x45534d4b, begins ? 1UL : 0UL, 0UL, 0UL, 0UL); }

// The least that a result needs; the host knows more about the machine.
inline json device_facts() {
  utsname names;
  uname(&names);
#if defined(__aarch64__)
  const char* arch = "arm64";
#elif defined(__arm__)
  const char* arch = "armv7";
#elif defined(__riscv)
  const char* arch = "riscv64";
#else
  const char* arch = "x86_64";
#endif
  return {{"os", {{"name", "linux"}, {"version", names.release}}},
          {"cpu", {{"arch", arch}, {"cores", sysconf(_SC_NPROCESSORS_ONLN)}}},
          {"ram", int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE)}};
}
