// Warm-up and sampling; the same algorithm, to the letter, as in apps/agents/python/agent.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "process.hpp"

// When to stop a phase: `Stop` of bench-job/1.
struct Stop {
  int64_t min_iters = 0;
  int64_t min_ns = 0;
  int64_t max_ns = 0;
  std::optional<int64_t> max_iters;
  bool adaptive = false;

  explicit Stop(const json& from)
      : min_iters(from.value("min_iters", int64_t(0))),
        min_ns(from.value("min_ns", int64_t(0))),
        max_ns(from.value("max_ns", int64_t(0))),
        adaptive(from.value("adaptive", false)) {
    if (from.contains("max_iters")) max_iters = from.at("max_iters").get<int64_t>();
  }
};

template <typename Call>
int64_t timed(const Call& call, int64_t repeat = 1) {
  const int64_t start = now();
  for (int64_t i = 0; i < repeat; ++i) call();
  return now() - start;
}

// Two exponential averages of rate 0.1 and 0.005, each corrected for its start, within 4% of one another more than
// 40 times in a row (adaptive), or the limits. Answers the samples and why it stopped.
inline std::pair<std::vector<int64_t>, std::string> warm_up(const std::function<int64_t()>& sample, const Stop& stop) {
  std::vector<int64_t> samples;
  double fast = 0, slow = 0;
  int64_t elapsed = 0, agreeing = 0;
  while (true) {
    const int64_t done = int64_t(samples.size());
    const bool enough = done >= stop.min_iters && elapsed >= stop.min_ns;
    if (stop.adaptive && enough && agreeing > 40) return {samples, "steady"};
    if (!stop.adaptive && enough) return {samples, "min"};
    // a slow model may spend the whole time on fewer than min_iters, but never on fewer than 3
    if ((elapsed >= stop.max_ns && done >= std::min<int64_t>(stop.min_iters, 3)) ||
        (stop.max_iters && done >= *stop.max_iters))
      return {samples, "max_time"};
    const int64_t taken = sample();
    samples.push_back(taken);
    elapsed += taken;
    fast += 0.1 * (double(taken) - fast);
    slow += 0.005 * (double(taken) - slow);
    const double n = double(samples.size());
    const double a = fast / (1 - std::pow(0.9, n)), b = slow / (1 - std::pow(0.995, n));
    agreeing = std::abs(a - b) <= 0.04 * b ? agreeing + 1 : 0;
  }
}

// At least one; then min_iters and min_ns, unless max_ns or max_iters comes first.
inline bool finished(int64_t count, int64_t elapsed, const Stop& stop) {
  if (count == 0) return false;
  if (elapsed >= stop.max_ns || (stop.max_iters && count >= *stop.max_iters)) return true;
  return count >= stop.min_iters && elapsed >= stop.min_ns;
}
