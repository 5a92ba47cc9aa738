// SPDX-License-Identifier: MIT
// The bodies of map_watch.hpp.
#pragma once

#include <parmap/detail/traces/map_watch.hpp>

#include <sys/stat.h>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::unique_ptr<map_recorder> recorder_for(const options& chosen, std::string_view engine,
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
  return std::make_unique<map_recorder>(std::move(asked), next);
}

}  // namespace parmap::inline PARMAP_ABI::detail
