// SPDX-License-Identifier: MIT
// attempt_observer: hears of each attempt of a task while a map runs.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace parmap::inline PARMAP_ABI::detail {

// The number of the worker of a task that never ran.
inline constexpr unsigned never_ran = ~0U;

// One attempt of one task.
struct attempt {
  using clock = std::chrono::steady_clock;

  std::uint64_t task{};
  unsigned number{1};  // the first is 1
  unsigned worker{};
  clock::time_point began{};
  std::chrono::nanoseconds took{};  // 0 until it has ended
};

// The value of a task where the engine keeps it: an object of the map's result type, or the bytes of its codec. Neither
// of them: the task returns void, or its value is part of a reduction. Valid until the map's engine returns.
struct seen_value {
  const void* object{};
  std::span<const std::byte> encoded{};
};

enum class worker_event {
  born,
  died,   // also if it left because nothing was left to do
  waits,  // nothing can be claimed now
};

// The engine makes one call at a time for each worker, so threads makes several at once. multi calls from the thread
// that called map, and may do so some milliseconds after the event; threads and serial call from the thread that runs
// the task; async from its loop. What must not hold them up goes through an observer_queue. An observer that fails
// keeps its error to itself until its owner asks for it.
class attempt_observer {
 public:
  attempt_observer(const attempt_observer&) = delete;
  attempt_observer& operator=(const attempt_observer&) = delete;

  virtual void begun(const attempt& /*it*/) noexcept {}
  // The attempt has failed, and the task will be tried again.
  virtual void failed(const attempt& /*it*/, const failure& /*why*/) noexcept {}
  // The task has ended with this attempt: without a value if `why` is not null. Called once for each task that has
  // begun and was not stopped. failure::inputs is empty.
  virtual void ended(const attempt& /*it*/, seen_value /*value*/, const failure* /*why*/) noexcept {}
  virtual void happened_to(unsigned /*worker*/, worker_event /*what*/, attempt::clock::time_point /*when*/) noexcept {}

 protected:
  attempt_observer() = default;
  ~attempt_observer() = default;
};

// The observer of numbered tasks; null if there is none.
template <class Tasks>
[[nodiscard]] attempt_observer* observer_of(const Tasks& tasks) noexcept {
  if constexpr (requires { tasks.observer(); }) return tasks.observer();
  else return nullptr;
}

}  // namespace parmap::inline PARMAP_ABI::detail
