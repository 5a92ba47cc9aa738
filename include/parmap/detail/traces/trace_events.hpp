// SPDX-License-Identifier: MIT
// trace_events: which slices a trace has, and their text in Chrome's format. However many tasks there are, the number
// of slices is bounded: short tasks of a worker share one, and when there are many slices already, longer ones do, too.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/failure.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What became of an attempt.
enum class attempt_end { value, failure, retried };

// An attempt that has a slice of its own.
struct trace_slice {
  attempt it{};
  std::uint64_t index{};  // of the task, among all
  attempt_end how{attempt_end::value};
  failure_kind kind{};
  std::string message{};  // of a failure
  std::string inputs{};
};

class trace_events {
 public:
  using clock = attempt::clock;

  static constexpr std::uint64_t usual_most = 1'000'000;
  // A shorter task shares its slice, at first.
  static constexpr std::chrono::microseconds shortest{100};

  // `began`: of the map, the zero of all times. `pid`: of this process. `most`: slices, and one more for each worker.
  // `row`: the name of a worker; empty: "worker 3".
  trace_events(clock::time_point began, int pid, std::uint64_t most = usual_most,
               std::function<std::string(unsigned)> row = {});

  // An attempt has ended; `why`: null if it has a value. True if it is to have a slice of its own: then add it. Else it
  // shares one.
  [[nodiscard]] bool has_own_slice(attempt& it, std::uint64_t index, const failure* why, bool again) {
    seat& mine = seat_of(it.worker);
    place(it, mine);
    const bool fails = why != nullptr && of_failures_ < most_ / 10;
    if ((it.took < least_ && !fails) || !stays()) {
      share(it, index, why != nullptr && !again, mine);
      return false;
    }
    if (fails) ++of_failures_;
    end_shared(it.worker, mine);
    return true;
  }
  void add(const trace_slice& it);
  void happened_to(unsigned worker, worker_event what, clock::time_point when);
  // An attempt begins. So the worker waits no longer.
  void begun(const attempt& it) {
    seat& mine = seat_of(it.worker);
    if (mine.waits) end_wait(it.worker, mine, it.began);
  }
  // Writes the slices that tasks still share.
  void end_shared();
  // A line of metadata: its name, and `arguments`, an object of JSON.
  void add_metadata(std::string_view name, std::string_view arguments);

  // Nothing follows.
  void end() { text_ += first_ ? "[]\n" : "\n]\n"; }

  // What has been made since the last call, whole events.
  [[nodiscard]] std::string take();
  [[nodiscard]] std::size_t waiting_bytes() const noexcept { return text_.size(); }
  // Events of workers for which there was no place.
  [[nodiscard]] std::uint64_t left_out() const noexcept { return left_out_; }

 private:
  // Consecutive short tasks of a worker.
  struct shared_slice {
    std::uint64_t tasks{};
    std::uint64_t first{};
    std::uint64_t last{};
    std::uint64_t failed{};
    clock::time_point began{};
    clock::time_point end{};
    std::chrono::nanoseconds busy{};
    std::chrono::nanoseconds longest{};
  };
  struct seat {
    clock::time_point end{};  // of what was placed last
    shared_slice shared{};
    bool named{};
    bool waits{};
    clock::time_point waits_since{};
  };

  [[nodiscard]] seat& seat_of(unsigned worker) {
    if (worker >= seats_.size()) seats_.resize(worker + 1, seat{.end = began_});
    return seats_[worker];
  }
  // Attempts of a worker follow each other. Where an engine knows only how long one took, and hears of several at once,
  // they are drawn one after the other.
  static void place(attempt& it, seat& mine) noexcept {
    if (it.began < mine.end) it.began = mine.end;
    mine.end = it.began + it.took;
  }
  void share(const attempt& it, std::uint64_t index, bool failed, seat& mine) {
    shared_slice& all = mine.shared;
    if (all.tasks > 0 && mine.end - all.began > 10 * least_ && stays()) end_shared(it.worker, mine);
    if (all.tasks == 0) all = {.first = index, .last = index, .began = it.began};
    ++all.tasks;
    if (failed) ++all.failed;
    if (index < all.first) all.first = index;
    if (index > all.last) all.last = index;
    all.busy += it.took;
    if (it.took > all.longest) all.longest = it.took;
    all.end = mine.end;
  }
  [[nodiscard]] bool stays() const noexcept { return written_ < most_; }
  void end_shared(unsigned worker, seat& mine);
  void end_wait(unsigned worker, seat& mine, clock::time_point when);
  void begin_event(std::string_view phase, unsigned worker, clock::time_point when);
  void count_slice();
  void name(unsigned worker, seat& mine);

  clock::time_point began_;
  std::string pid_;
  std::uint64_t most_;
  std::chrono::nanoseconds least_{shortest};
  std::uint64_t written_{};
  std::uint64_t next_step_;  // slices after which least_ grows
  std::uint64_t of_failures_{};
  std::uint64_t of_workers_{};
  std::uint64_t left_out_{};
  bool first_{true};
  std::function<std::string(unsigned)> row_;
  std::vector<seat> seats_;
  std::string text_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/trace_events.inl.hpp>
#endif
