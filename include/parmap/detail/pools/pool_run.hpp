// SPDX-License-Identifier: MIT
// pool_run: what a map and a stream on a pool have in common: which tasks are tried again, and when no further one
// begins.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/pools/pool_dispatcher.hpp>
#include <parmap/detail/pools/pool_owner.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Throws std::invalid_argument for options that a pool has for all its maps.
PARMAP_API void check_pool_options(const options& chosen);

// Used by one thread at a time.
class PARMAP_API pool_run : private pool_owner {
 public:
  pool_run(const pool_run&) = delete;
  pool_run& operator=(const pool_run&) = delete;

 protected:
  // `limit`: of each attempt, if the options have none. `observer` may be null.
  PARMAP_API pool_run(pool_dispatcher& by, const options& chosen, std::optional<std::chrono::nanoseconds> limit,
                      attempt_observer* observer, std::shared_ptr<kept_function> f);
  ~pool_run() = default;

  // In the destructor of the class that takes outcomes: kills what runs.
  void end() noexcept { by_.end(job_); }

  [[nodiscard]] pool_dispatcher& dispatcher() const noexcept { return by_; }
  [[nodiscard]] pool_job& job() const noexcept { return *job_; }
  [[nodiscard]] const options& chosen() const noexcept { return chosen_; }
  [[nodiscard]] bool is_halted() const noexcept { return why_halted_ != nullptr; }
  [[nodiscard]] const char* why_halted() const noexcept { return why_halted_; }

  // Gives outcomes to what is below, and waits for one at most for `patience`. Looks after stop and deadline meanwhile,
  // so it may return early.
  [[nodiscard]] PARMAP_API arrival collect(std::chrono::nanoseconds patience);
  // No further task begins. With `kill`, none that runs goes on.
  PARMAP_API void halt(const char* why, bool kill = false);

  // A task has ended with this value. What it throws makes the task fail.
  virtual void take_value(const pool_outcome& it, byte_reader bytes) = 0;
  // A task has ended without a value.
  virtual void take_failure(failure why, const pool_outcome& it) = 0;
  // Tasks [task, task + count) will not begin; the first may have had attempts that failed.
  virtual void take_stopped(std::uint64_t task, std::uint64_t count, unsigned attempts, const char* why) = 0;

 private:
  PARMAP_API void take(const pool_outcome& it) override;
  void fail(const failure& why, const pool_outcome& it);
  void tell(const pool_outcome& it, const failure* why, bool again) const;
  [[nodiscard]] bool tries_again(const failure& why, const pool_outcome& it);
  [[nodiscard]] std::chrono::nanoseconds enforce();

  pool_dispatcher& by_;
  const options& chosen_;
  attempt_observer* observer_;
  deadline last_;
  std::shared_ptr<pool_job> job_;
  std::uint64_t failed_{};
  const char* why_halted_{};  // null: it is not
  bool is_killed_{};          // what runs
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/pools/pool_run.inl.hpp>
#endif
