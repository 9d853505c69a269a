// Listens to ExecuTorch's events: what each operator took, those inside XNNPACK's delegates too.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <executorch/runtime/core/event_tracer.h>
#include <executorch/runtime/platform/platform.h>

#include "profile.hpp"

class Tracer : public executorch::runtime::EventTracer {
  using Entry = executorch::runtime::EventTracerEntry;
  using Chain = executorch::runtime::ChainID;
  using Handle = executorch::runtime::DebugHandle;
  using Index = executorch::runtime::DelegateDebugIntId;
  using Logged = executorch::runtime::Result<bool>;
  using Tensor = executorch::aten::Tensor;

 public:
  // What was executed since the last time it was asked.
  std::vector<Executed> taken() { return std::exchange(executed_, {}); }

  // A call is about to begin.
  void next_call() { seen_.clear(); }

  Entry start_profiling(const char* name, Chain, Handle) override { return begun(name); }
  Entry start_profiling_delegate(const char* name, Index) override { return begun(name); }
  void end_profiling(Entry entry) override { ended(entry); }
  void end_profiling_delegate(Entry entry, const void*, size_t) override { ended(entry); }
  void log_profiling_delegate(const char* name, Index, et_timestamp_t start, et_timestamp_t end, const void*,
                              size_t) override {
    if (name == nullptr) return;
    const std::string whole = name;  // numbered within its delegate; a file may have many
    add(whole.substr(0, whole.rfind(" #")), "xnnpack", start, end);
  }
  void create_event_block(const char*) override {}
  void track_allocation(executorch::runtime::AllocatorID, size_t) override {}
  executorch::runtime::AllocatorID track_allocator(const char*) override { return 0; }
  Logged log_evalue(const executorch::runtime::EValue&, executorch::runtime::LoggedEValueType) override { return false; }
  Logged log_intermediate_output_delegate(const char*, Index, const Tensor&) override { return false; }
  Logged log_intermediate_output_delegate(const char*, Index, const executorch::runtime::ArrayRef<Tensor>) override {
    return false;
  }
  Logged log_intermediate_output_delegate(const char*, Index, const int&) override { return false; }
  Logged log_intermediate_output_delegate(const char*, Index, const bool&) override { return false; }
  Logged log_intermediate_output_delegate(const char*, Index, const double&) override { return false; }
  void set_delegation_intermediate_output_filter(executorch::runtime::EventTracerFilterBase*) override {}

 private:
  Entry begun(const char* name) {
    Entry entry{};
    entry.event_id = int64_t(names_.size());
    names_.emplace_back(name == nullptr ? "" : name);
    entry.start_time = executorch::runtime::pal_current_ticks();
    return entry;
  }

  // Calls contain what they call; the method and its loading are no operators.
  void ended(const Entry& entry) {
    const et_timestamp_t end = executorch::runtime::pal_current_ticks();
    const std::string& name = names_.at(size_t(entry.event_id));
    const bool contains = name.size() > 5 && name.compare(name.size() - 5, 5, "_CALL") == 0;
    if (!contains && name.find("::") == std::string::npos) add(name, "", entry.start_time, end);
  }

  void add(const std::string& name, const char* backend, et_timestamp_t start, et_timestamp_t end) {
    const auto ratio = executorch::runtime::pal_ticks_to_ns_multiplier();
    const auto ns = int64_t(double(end - start) * double(ratio.numerator) / double(ratio.denominator));
    executed_.push_back({numbered(name, seen_), kind_of(name), backend, ns});
  }

  std::vector<std::string> names_;  // of the events that began, by their id
  std::map<std::string, int> seen_;
  std::vector<Executed> executed_;
};
