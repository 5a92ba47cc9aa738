// SPDX-License-Identifier: MIT
// The bodies of record_request.hpp.
#pragma once

#include <parmap/detail/traces/map_recorder.hpp>
#include <parmap/detail/traces/record_request.hpp>
#include <parmap/detail/traces/trace_path.hpp>

#include <sys/stat.h>

#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::shared_ptr<map_recorder> recorder_for(const options& chosen, std::string_view engine,
                                                         const std::string& status, record_request&& asked,
                                                         attempt_observer* next) {
  asked.trace = chosen.trace;
  if (asked.trace.empty() && !trace_folder().empty()) {
    asked.trace = new_trace_in(trace_folder());
    asked.option = "PARMAP_TRACE=" + trace_folder();
    // If it cannot be made, the recorder says why its file cannot.
    if (!asked.trace.empty()) static_cast<void>(::mkdir(trace_folder().c_str(), 0777));
  }
  if (!status.empty()) asked.status.push_back(status);
  if (asked.trace.empty() && asked.status.empty()) return nullptr;
  asked.about.label = chosen.label;
  asked.about.engine = engine;
  asked.is_silent = chosen.reporter.is_silent();
  return std::make_shared<map_recorder>(std::move(asked), next);
}

PARMAP_INLINE attempt_observer& as_observer(map_recorder& it) noexcept { return it; }
PARMAP_INLINE void finish_record(map_recorder& it) noexcept { it.finish(); }
PARMAP_INLINE void abandon_record(map_recorder& it) noexcept { it.abandon(); }
PARMAP_INLINE void finish_record(map_recorder& it, std::uint64_t tasks) noexcept {
  it.set_tasks(tasks);
  it.finish();
}
PARMAP_INLINE void record_outcome(map_recorder& to, attempt it, const failure* why) noexcept {
  if (why != nullptr && why->kind == failure_kind::stopped) return;
  it.began = attempt::clock::now() - it.took;
  to.begun(it);
  to.ended(it, {}, why);
}

}  // namespace parmap::inline PARMAP_ABI::detail
