// SPDX-License-Identifier: MIT
// serial_stream: a stream on the engine serial; the caller's thread runs a task when it wants an outcome.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/streams/outcome_place.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/options.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

class deadline_watch;

// What does not depend on the result type.
class serial_loop {
 public:
  PARMAP_API serial_loop(const placed_tasks& tasks, const options& chosen, std::optional<std::uint64_t> size);
  PARMAP_API ~serial_loop();
  serial_loop(const serial_loop&) = delete;
  serial_loop& operator=(const serial_loop&) = delete;

  enum class step { ran, stopped, waits, end };
  // Runs the next task and its retries. Throws what the last attempt throws.
  [[nodiscard]] PARMAP_API step run_next();
  // The task that run_next was about, and how often it was begun.
  [[nodiscard]] std::uint64_t index() const noexcept { return next_ - 1; }
  [[nodiscard]] unsigned attempts() const noexcept { return attempts_; }
  // The time of its last attempt; 0: not measured.
  [[nodiscard]] ticks spent() const noexcept { return spent_; }
  [[nodiscard]] PARMAP_API std::string why_stopped() const;

  bool allow(std::uint64_t limit) noexcept {
    if (is_halted()) return false;
    limit_ = limit;
    return true;
  }
  void end_at(std::uint64_t tasks) noexcept { size_ = tasks; }
  void halt() noexcept { halted_.store(true, std::memory_order_release); }

 private:
  [[nodiscard]] bool is_halted() const noexcept {
    return halted_.load(std::memory_order_acquire) || options_.stop.stop_requested();
  }

  const placed_tasks& tasks_;
  const options& options_;
  std::optional<std::uint64_t> size_;
  std::uint64_t limit_{};
  std::uint64_t next_{};
  unsigned attempts_{};
  ticks spent_{};
  std::atomic<bool> halted_{false};
  std::atomic<bool> late_{false};
  std::unique_ptr<deadline_watch> watch_;  // null: no deadline
  std::stop_token stop_;
  context self_;
};

template <class Tasks>
class serial_stream final : public outcome_source<typename Tasks::result> {
  using value = typename Tasks::result;

 public:
  serial_stream(const Tasks& tasks, const options& chosen, std::optional<std::uint64_t> size)
      : bound_(tasks, place_),
        loop_(bound_, chosen, size) {}

  bool allow(std::uint64_t limit) override { return loop_.allow(limit); }
  void end_at(std::uint64_t tasks) override { loop_.end_at(tasks); }
  void halt() noexcept override { loop_.halt(); }
  [[nodiscard]] unsigned workers() const noexcept override { return 1; }
  // Nothing runs ahead, so a small window will do.
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override { return ~std::uint64_t{0}; }

  arrival next(std::optional<ended_task<value>>& to, std::chrono::nanoseconds patience) override {
    // The stream reads ahead first; a task would make it wait.
    if (patience == patience.zero() && !read_ahead_) {
      read_ahead_ = true;
      return arrival::nothing_yet;
    }
    read_ahead_ = false;
    switch (loop_.run_next()) {
      case serial_loop::step::end: return arrival::end;
      case serial_loop::step::waits: return arrival::nothing_yet;
      case serial_loop::step::stopped:
        to.emplace(loop_.index(), failure{loop_.index(), failure_kind::stopped, loop_.why_stopped(), loop_.attempts()},
                   loop_.attempts());
        break;
      case serial_loop::step::ran: to.emplace(loop_.index(), place_.take(), loop_.attempts(), 0U, loop_.spent()); break;
    }
    return arrival::outcome;
  }

 private:
  outcome_place<value> place_;
  placed_tasks_of<Tasks, outcome_place<value>> bound_;
  serial_loop loop_;
  bool read_ahead_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/threads/serial_stream.inl.hpp>
#endif
