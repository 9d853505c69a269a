// Executes one artifact as a bench-job/1 says and answers a bench-result/1: one runtime, its Engine in ENGINE.
//
//     runner JOB.json RESULT.json     exit code 0; 1 when the result carries an error; 2 when there is no result,
//                                     because the job cannot be read or the result not written: standard error says why
//
// The same steps as apps/agents/python/agent.py, without an interpreter around them. Built with the
// libraries of the runtime's wheel by toolchain/devices/agents/build.py.

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include ENGINE
#include "measure.hpp"
#include "profile.hpp"
#include "process.hpp"
#include "refusal.hpp"
#include "tensors.hpp"

namespace {

std::string first_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string utc_now() {
  const time_t seconds = time(nullptr);
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime(&seconds));
  return text;
}

json read_job(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string() + ": " + std::strerror(errno));
  return json::parse(file);
}

// Write under another name, then rename: a result that is there is complete.
void write_result(const json& result, const std::string& path) {
  const std::string part = path + ".part";
  FILE* file = fopen(part.c_str(), "w");
  const std::string text = result.dump();
  if (file == nullptr || fwrite(text.data(), 1, text.size(), file) != text.size() || fflush(file) != 0 ||
      fsync(fileno(file)) != 0 || fclose(file) != 0)
    throw std::runtime_error("cannot write " + part);
  std::filesystem::rename(part, path);
}

class Session {
 public:
  Session(const json& job, std::string folder)
      : job_(job),
        folder_(std::move(folder)),
        feedback_(job.value("feedback", std::map<std::string, std::string>())),
        engine_(job, folder_) {
    if (job.contains("capture")) capture_ = folder_ + "/" + job.at("capture").get<std::string>();
  }

  // Fills in `run`: cold start in its parts, then what the mode asks for. Any failure becomes run["error"].
  void execute(json& run) {
    const json& config = job_.at("config");
    const std::string mode = config.at("mode");
    const std::string path = (std::filesystem::path(folder_) / job_.at("artifact").at("path").get<std::string>()).string();
    json& cold = run["cold"];
    const char* phase = "start";
    const auto step = [&](const char* name, const auto& action) { cold[name] = timed(action); };
    const auto invoke = [&] { engine_.invoke(); };
    try {
      pin(config.value("pin_cpus", std::vector<int>()));
      Tensors first = read_case(job_.at("cases").at(0), folder_);
      if (mode == "cold") cold["page_cache"] = drop_page_cache(path);
      if (mode == "memory") run["memory"]["baseline"] = reset_peak_memory();
      if (mode == "sustained" || mode == "rounds") {
        phase = "measure";
        const Stop stop(config.at("measure"));
        if (mode == "rounds") return rounds(run, path, first, stop.max_iters.value());
        return sustained(run, path, first, stop.max_ns, config.at("interval_ns"), config.value("concurrency", 1));
      }
      step("runtime_init", [&] { engine_.start(); });
      phase = "load";
      step("load", [&] { engine_.load(path); });
      step("prepare", [&] { engine_.prepare(); });
      if (mode == "memory") run["memory"]["loaded"] = memory_counters();
      if (mode == "latency" || mode == "throughput") {
        phase = "warmup";
        engine_.feed(first);
        step("first_inference", invoke);
        // the plan may reuse an input's memory once it was read: every call gets its inputs anew, outside the time
        const auto call = [&] {
          engine_.feed(first);
          return timed(invoke);
        };
        const auto [warm, why] = warm_up(call, Stop(config.at("warmup")));
        run["warmup"] = warm;
        run["warmup_stop"] = why;
        phase = "measure";
        const Stop stop(config.at("measure"));
        mode == "latency" ? measure(run, warm, stop) : throughput(run, first, stop);
      }
      if (mode == "profile") {
        phase = "measure";
        engine_.feed(first);
        step("first_inference", invoke);  // what a runtime does once is no part of a call
        const int64_t calls = std::max<int64_t>(1, Stop(config.at("measure")).min_iters);
        run["ops"] = rows_of(engine_.profile(first, calls), calls);
      }
      if (mode == "count") {
        phase = "measure";
        engine_.feed(first);
        step("first_inference", invoke);  // what a runtime does once is no part of a call
        count(first, Stop(config.at("measure")).min_iters);
      }
      phase = "collect";
      if (mode == "verify" || mode == "memory" || mode == "cold" || !capture_.empty()) play(run);
      if (mode == "memory") {
        run["memory"]["peak"] = memory_counters();
        run["memory"]["peak_method"] = "kernel";
      }
    } catch (const std::exception& error) {
      run["error"] = {{"phase", phase}, {"message", error.what()}};
    }
  }
  int64_t planned_bytes() const { return engine_.planned_bytes(); }

 private:
  // Raw samples over the cases in turn; calls shorter than 100 clock ticks are batched into one sample.
  void measure(json& run, std::vector<int64_t> warm, const Stop& stop) {
    std::vector<Tensors> cases;
    for (const json& described : job_.at("cases")) cases.push_back(read_case(described, folder_));
    std::sort(warm.begin(), warm.end());
    const int64_t typical = warm.empty() ? run["cold"]["first_inference"].get<int64_t>() : warm[warm.size() / 2];
    const int64_t tick = run["clock"]["resolution"];
    const int64_t repeat = std::max<int64_t>(1, (100 * tick + typical - 1) / std::max<int64_t>(typical, 1));
    std::vector<int64_t> samples;
    const int64_t start = now();
    while (!finished(int64_t(samples.size()) * repeat, now() - start, stop)) {
      Tensors& inputs = cases[samples.size() % cases.size()];
      engine_.feed(inputs);
      samples.push_back(timed(
          [&] {
            engine_.invoke();
            if (repeat > 1) engine_.feed(inputs);  // calls this short are timed together with their inputs
          },
          repeat));
    }
    run["samples"] = samples;
    if (repeat > 1) run["iterations_per_sample"] = repeat;
  }

  // Calls completed in a window, one after another without a pause.
  void throughput(json& run, Tensors& inputs, const Stop& stop) {
    const int64_t start = now();
    int64_t completed = 0;
    while (!finished(completed, now() - start, stop)) {
      engine_.feed(inputs);
      engine_.invoke();
      ++completed;
    }
    run["window"] = now() - start;
    run["completed"] = completed;
  }

  // Calls of all streams at once, one after another in each, by the window that they end in.
  void sustained(json& run, const std::string& path, const Tensors& first, int64_t length, int64_t interval, int streams) {
    const size_t windows = size_t(std::max<int64_t>(1, length / interval));
    std::vector<std::vector<int64_t>> counts(size_t(streams), std::vector<int64_t>(windows, 0));
    std::vector<Tensors> inputs(size_t(streams), first);
    std::vector<std::unique_ptr<Engine>> engines;
    for (Tensors& own : inputs) {
      engines.push_back(std::make_unique<Engine>(job_, folder_));
      loaded(*engines.back(), path, own);
    }
    std::vector<std::exception_ptr> errors(size_t(streams), nullptr);
    const int64_t start = now();
    const auto stream = [&](size_t index) {
      try {
        while (true) {
          engines[index]->feed(inputs[index]);
          engines[index]->invoke();
          const size_t window = size_t((now() - start) / interval);
          if (window >= windows) return;
          ++counts[index][window];
        }
      } catch (...) {
        errors[index] = std::current_exception();
      }
    };
    std::vector<std::thread> threads;
    for (size_t index = 1; index < counts.size(); ++index) threads.emplace_back(stream, index);
    stream(0);
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& error : errors)
      if (error) std::rethrow_exception(error);
    run["windows"] = json::array();
    for (size_t window = 0; window < windows; ++window) {
      int64_t completed = 0;
      for (const std::vector<int64_t>& own : counts) completed += own[window];
      run["windows"].push_back({{"t", int64_t(window) * interval}, {"length", interval}, {"completed", completed}});
    }
  }

  // What the process holds after each round of loading, one call and unloading.
  void rounds(json& run, const std::string& path, Tensors& first, int64_t count) {
    run["resident"] = json::array();
    for (int64_t round = 0; round < count; ++round) {
      {
        Engine engine(job_, folder_);
        loaded(engine, path, first);
        engine.invoke();
        engine.close();
      }
      run["resident"].push_back(memory_counters().at("vm_rss"));
    }
  }

  static void loaded(Engine& engine, const std::string& path, Tensors& first) {
    engine.start();
    engine.load(path);
    engine.prepare();
    engine.feed(first);
  }

  // Calls between marks: whoever counts instructions sees each of them apart.
  void count(Tensors& inputs, int64_t calls) {
    for (int64_t i = 0; i < calls; ++i) {
      engine_.feed(inputs);
      mark(true);
      engine_.invoke();
      mark(false);
    }
  }

  // Runs every case once, its state fed back from the one before, and writes outputs to the capture file.
  // When the time for it (max_ns, where it is given) is over, the cases after the first min_iters are left out.
  void play(json& run) {
    const json& config = job_.at("config");
    const Stop stop(config.at("mode") == "verify" ? config.value("measure", json::object()) : json::object());
    const int64_t began = now();
    const std::string part = capture_.empty() ? "/dev/null" : capture_ + ".part";
    std::ofstream stream(part, std::ios::binary);
    std::map<std::string, HostTensor> state;
    json described = json::array();
    int64_t offset = 0;
    for (const json& entry : job_.at("cases")) {
      if (stop.max_ns > 0 && int64_t(described.size()) >= stop.min_iters && now() - began >= stop.max_ns) break;
      Tensors tensors = read_case(entry, folder_);
      for (HostTensor& tensor : tensors)
        if (const auto held = state.find(tensor.name); held != state.end()) tensor = held->second;
      engine_.feed(tensors);
      const int64_t taken = timed([&] { engine_.invoke(); });
      if (!run["cold"].contains("first_inference")) run["cold"]["first_inference"] = taken;
      json row = json::array();
      for (HostTensor& answer : engine_.fetch()) {
        row.push_back(answer.describe());
        row.back()["offset"] = offset;
        stream.write(reinterpret_cast<const char*>(answer.bytes.data()), std::streamsize(answer.bytes.size()));
        offset += int64_t(answer.bytes.size());
        if (const auto taker = feedback_.find(answer.name); taker != feedback_.end()) {
          answer.name = taker->second;
          state[answer.name] = std::move(answer);
        }
      }
      described.push_back(row);
    }
    stream.close();
    if (!stream) throw std::runtime_error("cannot write " + part);
    if (capture_.empty()) return;
    std::filesystem::rename(part, capture_);
    run["outputs"] = described;
  }

  const json& job_;
  const std::string folder_;
  const std::map<std::string, std::string> feedback_;  // output name → input name
  std::string capture_;                                // empty: nothing is captured
  Engine engine_;
};

json answer(const json& job, const std::string& folder, std::optional<int64_t> process_start) {
  const std::string started = utc_now();
  json run = {{"index", 0},
              {"started_at", started},
              {"clock", {{"source", "CLOCK_MONOTONIC"}, {"resolution", clock_resolution()}}},
              {"cold", {{"page_cache", "unknown"}}}};
  if (process_start) run["cold"]["process_start"] = *process_start;
  json artifact;
  for (const char* key : {"name", "format", "sha256", "size"})
    if (job.at("artifact").contains(key) && job.at("artifact").at(key) != "") artifact[key] = job.at("artifact").at(key);
  const json& wanted = job.at("runtime");
  json runtime = {{"name", wanted.at("name")},
                  {"version", RUNTIME_VERSION},
                  {"backend", wanted.value("backend", "cpu")},
                  {"threads", wanted.value("threads", 1)},
                  {"options", wanted.value("options", json::object())}};
  if (const std::string reason = refusal(job, Engine::kTakesOptions); !reason.empty()) {
    run["error"] = {{"phase", "start"}, {"code", "UNSUPPORTED_JOB"}, {"message", reason}};
  } else {
    artifact["inputs"] = json::array();
    for (const json& tensor : job.at("cases").at(0))
      artifact["inputs"].push_back({{"name", tensor.at("name")}, {"dtype", tensor.at("dtype")}, {"shape", tensor.at("shape")}});
    Session session(job, folder);
    session.execute(run);
    if (session.planned_bytes() > 0) runtime["planned_bytes"] = session.planned_bytes();
  }
  return {{"schema", "bench-result/1"},
          {"id", first_line_of("/proc/sys/kernel/random/uuid")},
          {"created_at", started},
          {"agent", {{"kind", "cpp"}, {"version", kVersion}, {"build", "release"}, {"imports_torch", false}}},
          {"device", device_facts()},
          {"artifact", artifact},
          {"runtime", runtime},
          {"config", job.at("config")},
          {"runs", json::array({run})}};
}

}  // namespace

int main(int count, char** arguments) {
  const auto process_start = since_process_start();
  if (count != 3) {
    std::cerr << "usage: runner JOB.json RESULT.json\n";
    return 2;
  }
  try {
    // as it was given: where instructions are counted, the length of a folder's name must not move the heap
    const std::filesystem::path path = arguments[1];
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    const json result = answer(read_job(path), folder, process_start);
    write_result(result, arguments[2]);
    return result.at("runs").at(0).contains("error") ? 1 : 0;
  } catch (const json::exception& error) {
    std::cerr << "runner: " << arguments[1] << " is not a bench-job/1: " << error.what() << '\n';
  } catch (const std::exception& error) {
    std::cerr << "runner: " << error.what() << '\n';
  }
  return 2;
}
