// SPDX-License-Identifier: MIT
// A progress meter that costs nothing until the work has lasted long enough to be worth a look.
#pragma once

#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/progress.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace parmap::detail {

// Thrown by a callable reporter: the map is to end at once, and to return what is done. Workers are killed; tasks of
// this process run to their end, and no other is begun. In the last report it means nothing: the map has ended.
struct stop_now {};

// While it lives, this thread runs tasks.
class task_scope {
 public:
  task_scope() noexcept { ++depth(); }
  task_scope(const task_scope&) = delete;
  task_scope& operator=(const task_scope&) = delete;
  ~task_scope() { --depth(); }

  [[nodiscard]] static bool inside() noexcept { return depth() > 0; }

 private:
  static int& depth() noexcept {
    static thread_local int levels = 0;
    return levels;
  }
};

// Inside a task nothing is shown unless it was asked for: the outer map's bar is the one to look at.
class lazy_meter {
 public:
  lazy_meter(const reporter& who, std::uint64_t total, ticks begun = now_ticks())
      : who_(&who),
        total_(total),
        begun_(begun),
        silent_(who.is_silent() || (task_scope::inside() && !who.is_eager())) {}

  // Draws if it is time to. What a callable reporter throws passes.
  void look(ticks now, std::uint64_t completed, std::uint64_t failed) {
    if (silent_ || now - begun_ < worth_a_look_) return;
    const auto clock = std::chrono::steady_clock::now();
    if (!meter_) start(clock, now);
    if (meter_->due(clock)) meter_->update(clock, completed, failed);
  }
  // How long a wait may last until the next look.
  [[nodiscard]] std::chrono::nanoseconds wait() {
    if (silent_) return std::chrono::nanoseconds::max();
    if (!meter_) start(std::chrono::steady_clock::now(), now_ticks());
    return meter_->wait();
  }
  void finish(std::uint64_t completed, std::uint64_t failed) {
    if (silent_ || (!who_->is_eager() && now_ticks() - begun_ < worth_a_look_)) return;
    const auto clock = std::chrono::steady_clock::now();
    if (!meter_) start(clock, now_ticks());
    try {
      meter_->finish(clock, completed, failed);
    } catch (const stop_now&) {  // NOLINT(bugprone-empty-catch): nothing is left to stop
    }
  }

 private:
  void start(std::chrono::steady_clock::time_point clock, ticks now) {
    const auto us = static_cast<double>(now - begun_) / ticks_per_us();
    meter_.emplace(*who_, total_, clock - std::chrono::nanoseconds(static_cast<std::int64_t>(us * 1e3)));
  }

  const reporter* who_;
  std::uint64_t total_;
  ticks begun_;
  bool silent_;
  ticks worth_a_look_{to_ticks(std::chrono::milliseconds(1))};
  std::optional<meter> meter_;
};

}  // namespace parmap::detail
