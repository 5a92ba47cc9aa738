// SPDX-License-Identifier: MIT
// The bodies of process_tasks.hpp and worker_chunk.hpp.
#pragma once

#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/worker_exit.hpp>

#include <cstdlib>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void leave_halted_map() { leave_process(farewell::done, EXIT_SUCCESS); }

PARMAP_INLINE void throw_not_encoded() {
  thrown what = describe_current_exception();
  if (what.kind == failure_kind::threw) what.kind = failure_kind::unencodable;
  if (!what.verbatim) what.message.insert(0, "encoding its result: ");
  throw not_encoded{std::move(what)};
}

}  // namespace parmap::inline PARMAP_ABI::detail
