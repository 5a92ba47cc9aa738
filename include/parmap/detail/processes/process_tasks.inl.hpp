// SPDX-License-Identifier: MIT
// The bodies of process_tasks.hpp and worker_chunk.hpp.
#pragma once

#include <parmap/detail/processes/attempt_log.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/stream_outlet.hpp>
#include <parmap/detail/processes/worker_chunk.hpp>
#include <parmap/detail/processes/worker_exit.hpp>

#include <cstdint>
#include <cstdlib>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void leave_halted_map() { leave_process(farewell::done, EXIT_SUCCESS); }

[[gnu::noinline]] PARMAP_INLINE void worker_chunk::prepare() noexcept {
  // Both wait until a halt at most.
  if (place_.outlet != nullptr) place_.outlet->wait_for_room();
  if (place_.log != nullptr) place_.log->wait_for_room();
  // Clears the note of a refused allocation that an earlier attempt survived.
  if (place_.memory_limited && place_.words.farewell_word.get() != 0) place_.words.farewell_word.set(0);
}

[[gnu::noinline]] PARMAP_INLINE void worker_chunk::note_value() noexcept {
  if (place_.log != nullptr) place_.log->tell(next(), attempt_);
  attempt_ = 1;
}

PARMAP_INLINE void worker_chunk::allow(std::uint64_t ns) noexcept {
  place_.words.allowed.set(ns);
  place_.timed = ns != 0;
  if (place_.timed) place_.outlet->tell_of_limit();
  else if (place_.words.started.get() != 0) place_.words.started.set(0);  // it is not that of what runs now
}

PARMAP_INLINE void throw_not_encoded() {
  thrown what = describe_current_exception();
  if (what.kind == failure_kind::threw) what.kind = failure_kind::unencodable;
  if (!what.verbatim) what.message.insert(0, "encoding its result: ");
  throw not_encoded{std::move(what)};
}

}  // namespace parmap::inline PARMAP_ABI::detail
