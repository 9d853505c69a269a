// What a runtime tells of the operators that it executed, and what each of them took.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

using json = nlohmann::json;

// One execution; `name` tells it from the others of the same call.
struct Executed {
  std::string name, type, backend;
  int64_t ns = 0;
};

// XNNPACK and LiteRT call many by the same name: the second of a call is "Convolution (NHWC, QC8) IGEMM #2".
inline std::string numbered(const std::string& name, std::map<std::string, int>& seen) {
  const int number = ++seen[name];
  return number == 1 ? name : name + " #" + std::to_string(number);
}

// "Convolution (NHWC, QC8) IGEMM" → "Convolution": the kind without its layout, its types and its kernel.
inline std::string kind_of(const std::string& name) { return name.substr(0, std::min(name.find(" ("), name.find(" #"))); }

// The mean, as runtimes count in whole microseconds, and most executions of a small operator take none; without what
// was interrupted: what took a quarter and a tick longer than the median.
inline double typical(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  const double longest = 1.25 * double(values[values.size() / 2]) + 1000;
  const auto end = std::upper_bound(values.begin(), values.end(), longest);
  return std::accumulate(values.begin(), end, 0.0) / double(end - values.begin());
}

// `ops` of bench-result/1: one row for each name, in the order of execution, as of one call.
inline json rows_of(const std::vector<Executed>& executed, int64_t calls) {
  std::vector<Executed> order;
  std::map<std::string, std::vector<int64_t>> taken;
  for (const Executed& each : executed) {
    std::vector<int64_t>& times = taken[each.name];
    if (times.empty()) order.push_back(each);
    times.push_back(each.ns);
  }
  json rows = json::array();
  for (const Executed& each : order) {
    const std::vector<int64_t>& times = taken[each.name];
    const auto often = std::max<int64_t>(1, (int64_t(times.size()) + calls / 2) / calls);
    rows.push_back({{"name", each.name}, {"type", each.type}, {"ns", int64_t(typical(times) * double(often))}, {"calls", often}});
    if (!each.backend.empty()) rows.back()["backend"] = each.backend;
  }
  return rows;
}
