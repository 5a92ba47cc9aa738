// SPDX-License-Identifier: MIT
// outcome_source: what an engine gives to a stream, outcomes in the order in which they come.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/outcome.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// A task that has ended, and how.
template <class T>
struct ended_task {
  // `what`: an outcome, a value or a failure.
  template <class What>
  ended_task(std::uint64_t index, What&& what, unsigned of_task, unsigned by = never_ran, ticks time = 0)
      : result{index, std::forward<What>(what)},
        attempts(of_task),
        worker(by),
        spent(time) {}

  indexed_outcome<T> result;
  unsigned attempts;  // that were begun
  unsigned worker;    // that ran the last of them
  ticks spent;        // by the last of them; 0: not measured
};

enum class arrival {
  outcome,
  nothing_yet,
  end,  // every task has ended, and every outcome has been taken
};

// What the caller's end tells an engine. Used by one thread at a time.
class stream_control {
 public:
  stream_control() = default;
  stream_control(const stream_control&) = delete;
  stream_control& operator=(const stream_control&) = delete;
  // Ends the stream at once, and leaves nothing behind.
  virtual ~stream_control() = default;

  // Tasks [0, limit) may begin. A later call may name a lower limit; what has begun goes on. False if the stream is
  // halted: then no further task begins.
  virtual bool allow(std::uint64_t limit) = 0;
  // There are only these tasks. Called once, if their number was not known from the start.
  virtual void end_at(std::uint64_t tasks) = 0;
  // No further task begins. Those that are allowed and have not begun are `stopped`.
  virtual void halt() noexcept = 0;

  [[nodiscard]] virtual unsigned workers() const noexcept = 0;
  // The mean size of the outcomes that have come, in bytes; 0: unknown.
  [[nodiscard]] virtual std::uint64_t mean_bytes() const noexcept = 0;
};

// Outcomes that a stream has at hand: to take one of them it need not ask the engine, which keeps them until it is
// asked for the next.
template <class T>
class outcomes_at_hand {
 public:
  outcomes_at_hand() = default;
  explicit outcomes_at_hand(std::span<ended_task<T>> all) noexcept : next_(all.data()), end_(next_ + all.size()) {}

  [[nodiscard]] bool empty() const noexcept { return next_ == end_; }
  // The next one. There must be one.
  [[nodiscard]] ended_task<T>& take() noexcept { return *next_++; }

 private:
  ended_task<T>* next_{};
  ended_task<T>* end_{};
};

template <class T>
class outcome_source : public stream_control {
 public:
  // Takes the next outcome, or waits for it, at most for `patience`. Throws what ends the stream.
  virtual arrival next(std::optional<ended_task<T>>& to, std::chrono::nanoseconds patience) = 0;
  // The same; an engine that has some at little cost puts them into `some`, which is empty. They may be moved from, and
  // stay until the next call.
  virtual arrival next_or_some(outcomes_at_hand<T>& /*some*/, std::optional<ended_task<T>>& to,
                               std::chrono::nanoseconds patience) {
    return next(to, patience);
  }
};

}  // namespace parmap::inline PARMAP_ABI::detail
