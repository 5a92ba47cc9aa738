// SPDX-License-Identifier: MIT
// recorder_for: the recorder of a map or stream by its options.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/system/file_calls.hpp>
#include <parmap/detail/traces/map_recorder.hpp>
#include <parmap/detail/traces/trace_path.hpp>
#include <parmap/detail/traces/watched_tasks.hpp>
#include <parmap/options.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Null if there is nothing to record. `status`: a path of a status file, or empty. `row`: see record_request.
inline std::unique_ptr<map_recorder> recorder_for(const options& chosen, std::string_view engine_name,
                                                  watched_tasks&& tasks, attempt_observer* next,
                                                  const std::string& status,
                                                  std::function<std::string(unsigned)> row = {}) {
  record_request asked;
  asked.trace = chosen.trace.str();
  if (asked.trace.empty() && !trace_folder().empty()) {
    asked.trace = new_trace_in(trace_folder());
    asked.option = "PARMAP_TRACE=" + trace_folder();
    // If it cannot be made, the recorder says why its file cannot.
    if (!asked.trace.empty()) make_folder(trace_folder());
  }
  if (!asked.trace.empty() && asked.trace + ".status" == status)
    throw std::invalid_argument("parmap: options.trace and options.store name the same file, " + asked.trace);
  if (!status.empty()) asked.status.push_back(status);
  if (asked.trace.empty() && asked.status.empty()) return nullptr;
  asked.about.label = chosen.label.str();
  asked.about.engine = engine_name;
  asked.about.tasks = tasks.size;
  asked.about.stored = tasks.stored;
  asked.text = std::move(tasks.text);
  asked.numbers = tasks.numbers;
  asked.row = std::move(row);
  asked.is_silent = chosen.reporter.is_silent();
  return std::make_unique<map_recorder>(std::move(asked), next);
}

}  // namespace parmap::inline PARMAP_ABI::detail
