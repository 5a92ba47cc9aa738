// SPDX-License-Identifier: MIT
// why_stopped: the message of tasks that were not begun, as their map was halted.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/results/failure_runs.hpp>

#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// Why tasks of a halted map were not begun.
inline std::string why_stopped(halt_reason why, const std::string& why_gave_up) {
  switch (why) {
    case halt_reason::no_worker: return why_gave_up;
    case halt_reason::max_failures: return max_failures_text;
    case halt_reason::deadline: return deadline_text;
    case halt_reason::none:
    case halt_reason::stop_requested: return stop_requested_text;
  }
  throw_overwritten("the map stopped for an unknown reason");
}

}  // namespace parmap::inline PARMAP_ABI::detail
