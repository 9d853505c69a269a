// What a job wants of a file, and where the file has it: by name if all are there, else by position.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

using json = nlohmann::json;
using Names = std::vector<std::string>;

struct Wanted {
  Names inputs;
  Names outputs;  // empty: the file's own
  bool by_name;   // what is verified must have the names an app will ask for; what is only timed may come from anywhere
  bool profiled;
  std::string folder;  // the job's, which goes with it
  uint32_t threads;
  json options;

  Wanted(const json& job, std::string in)
      : outputs(job.value("outputs", Names())),
        by_name(job.at("config").at("mode") == "verify"),
        profiled(job.at("config").at("mode") == "profile"),
        folder(std::move(in)),
        threads(job.at("runtime").value("threads", 1u)),
        options(job.at("runtime").value("options", json::object())) {
    for (const json& tensor : job.at("cases").at(0)) inputs.push_back(tensor.at("name"));
  }
};

inline std::string joined(const Names& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// For each of `wanted` its index in `found`.
inline std::vector<size_t> positions(const Names& wanted, const Names& found, const std::string& what, bool by_name) {
  std::vector<size_t> order;
  for (const std::string& name : wanted) {
    const auto place = std::find(found.begin(), found.end(), name);
    if (place != found.end()) order.push_back(size_t(place - found.begin()));
  }
  if (order.size() == wanted.size()) return order;
  if (by_name || wanted.size() != found.size())
    throw std::runtime_error("the file has the " + what + " " + joined(found) + "; the job asks for " + joined(wanted));
  order.resize(wanted.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  return order;
}
