// SPDX-License-Identifier: MIT
// stream_tally: what a stream keeps of the outcomes that it has given away: counts, causes of failures, the progress.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/time_keeper.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/summary.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace parmap::inline PARMAP_ABI::detail {

// Its memory does not grow with the number of outcomes.
class stream_tally {
 public:
  // `tasks`: none if their number is unknown.
  PARMAP_API stream_tally(const options& chosen, std::optional<std::uint64_t> tasks);
  PARMAP_API ~stream_tally();
  stream_tally(const stream_tally&) = delete;
  stream_tally& operator=(const stream_tally&) = delete;

  void add_value() noexcept { ++completed_; }
  PARMAP_API void add_failure(const failure& why);
  [[nodiscard]] std::uint64_t taken() const noexcept { return completed_ + failed_; }
  // With options::times: an outcome, whose last attempt took this time. Returns its entry if it is one of the slowest.
  [[nodiscard]] PARMAP_API task_time* add_time(std::uint64_t task, unsigned attempt, ticks spent);
  void note_workers(unsigned workers) noexcept {
    if (times_) times_->note_workers(workers);
  }

  // Whether it may be time to show the progress.
  [[nodiscard]] bool is_due() const noexcept { return !silent_ && now_ticks() >= next_show_; }
  // Shows the progress if it is time to. `known`: the tasks that are known so far. False if the reporter wants the
  // stream to end; what else it throws passes.
  PARMAP_API bool show(std::uint64_t known);
  [[nodiscard]] PARMAP_API std::chrono::nanoseconds until_next_show();
  // The stream has ended.
  PARMAP_API void finish(std::uint64_t known);

  // Of the outcomes that have been taken.
  [[nodiscard]] PARMAP_API map_summary summary() const;

 private:
  static constexpr std::size_t most_causes = 256;

  struct cause {
    failure first;
    std::uint64_t count;
    bool differs;  // the messages differ in numbers
  };

  std::uint64_t completed_{};
  std::uint64_t failed_{};
  ticks begun_;
  bool silent_;
  ticks next_show_;
  std::optional<ticks> ended_;
  std::unordered_map<std::string, cause> causes_;
  std::uint64_t of_other_causes_{};
  lazy_meter meter_;
  std::optional<time_keeper> times_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/streams/stream_tally.inl.hpp>
#endif
