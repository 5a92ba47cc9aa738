// SPDX-License-Identifier: MIT
// stream_record: the trace and the status file of a stream, which hears of a task when its outcome has reached the
// caller.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/traces/watched_tasks.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class map_recorder;

// Until it is begun nothing is recorded, and each function costs a comparison.
class stream_record {
 public:
  // See map_watch.
  PARMAP_API void begin(const options& chosen, std::string_view engine_name, watched_tasks&& tasks,
                        const std::string& status);
  // By a recorder that others have made.
  void begin(std::shared_ptr<map_recorder> it) noexcept { it_ = std::move(it); }

  // The last attempt of a task, which took `spent`. `why`: null if it has a value.
  void tell(const attempt& it, ticks spent, const failure* why) const noexcept {
    if (it_ != nullptr) tell_of(it, spent, why);
  }
  // The stream has ended, and had so many tasks.
  PARMAP_API void finish(std::uint64_t tasks) const noexcept;
  // An exception has ended it.
  PARMAP_API void abandon() const noexcept;

 private:
  PARMAP_API void tell_of(attempt it, ticks spent, const failure* why) const noexcept;

  std::shared_ptr<map_recorder> it_;
  std::uint64_t stored_{};  // tasks that did not run
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/stream_record.inl.hpp>
#endif
