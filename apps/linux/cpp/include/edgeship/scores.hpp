// What a model's answer means: probabilities, and the best classes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

namespace edgeship {

// Probabilities of logits, which add up to 1.
inline std::vector<float> softmax(const std::vector<float>& values) {
  if (values.empty()) return {};
  const double largest = *std::max_element(values.begin(), values.end());
  std::vector<double> powers;
  for (const float value : values) powers.push_back(std::exp(value - largest));
  const double sum = std::accumulate(powers.begin(), powers.end(), 0.0);
  std::vector<float> shares;
  for (const double power : powers) shares.push_back(float(power / sum));
  return shares;
}

struct Scored {
  std::string label;  // its number where it has none
  size_t index;
  float score;
};

// The k best, the best first; of equal ones the lower index comes first.
inline std::vector<Scored> top_k(const std::vector<float>& values, size_t k,
                                 const std::vector<std::string>& labels = {}) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t one, size_t other) { return values[one] > values[other]; });
  order.resize(std::min(k, order.size()));
  std::vector<Scored> best;
  for (const size_t index : order)
    best.push_back({index < labels.size() ? labels[index] : std::to_string(index), index, values[index]});
  return best;
}

}  // namespace edgeship
