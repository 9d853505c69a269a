// Which jobs this agent does, and how it refuses the others: apps/protocol/README.md.
#pragma once

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include <nlohmann/json.hpp>

using json = nlohmann::json;

inline constexpr const char* kVersion = "6";
inline const json kModes = {"verify", "latency", "throughput", "sustained", "cold",
                            "memory", "rounds",  "profile",    "count"};
inline constexpr int kMostStreams = 256;
// the fields that a job may list in `requires`
inline const json kFields = {"outputs",        "capture",         "feedback",           "runtime.threads", "config.warmup",
                             "config.measure", "config.pin_cpus", "config.interval_ns", "config.concurrency"};

// Which field of a job this agent cannot do, and what it can (apps/protocol); empty where it can do the job.
inline std::string refusal(const json& job, bool takes_options) {
  json fields = kFields;
  if (takes_options) fields.push_back("runtime.options");
  const json& config = job.at("config");
  json streams = json::array({1});
  for (int count = 2; config.at("mode") == "sustained" && count <= kMostStreams; ++count) streams.push_back(count);
  // field, what is asked, what can be done
  std::vector<std::tuple<std::string, json, json>> asked = {
      {"schema", job.value("schema", json()), json::array({"bench-job/1"})},
      {"runtime.name", job.at("runtime").at("name"), json::array({RUNTIME_NAME})},
      {"config.mode", config.at("mode"), kModes},
      {"config.timed_region", config.value("timed_region", json("invoke")), json::array({"invoke"})},
      {"config.inputs", config.value("inputs", json("file")), json::array({"file"})},
      {"config.concurrency", config.value("concurrency", json(1)), streams}};
  for (const json& field : job.value("requires", json::array())) asked.emplace_back("requires", field, fields);
  const auto plain = [](const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); };
  for (const auto& [field, value, known] : asked) {
    if (std::find(known.begin(), known.end(), value) != known.end()) continue;
    std::string can;
    for (const json& one : known) can += (can.empty() ? "" : ", ") + plain(one);
    return field + ": this agent cannot do " + plain(value) + " (cpp " + kVersion + " can: " + can + ")";
  }
  return "";
}
