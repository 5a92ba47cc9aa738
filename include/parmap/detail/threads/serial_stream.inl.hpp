// SPDX-License-Identifier: MIT
// The bodies of serial_stream.hpp.
#pragma once

#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/system/forced_unwind.hpp>
#include <parmap/detail/threads/deadline_watch.hpp>
#include <parmap/detail/threads/serial_run.inl.hpp>
#include <parmap/detail/threads/serial_stream.hpp>

#include <algorithm>
#include <memory>

namespace parmap::inline PARMAP_ABI::detail {

class serial_gate final : public task_gate {
 public:
  serial_gate(const std::atomic<bool>& flag, const std::stop_token& stop) noexcept : task_gate(&flag, stop) {}
};

PARMAP_INLINE serial_loop::serial_loop(const placed_tasks& tasks, const options& chosen,
                                       std::optional<std::uint64_t> size)
    : tasks_(tasks),
      options_(chosen),
      size_(size),
      stop_(chosen.stop),
      self_(*chosen.seed, 0, chosen.stop) {
  if (const deadline last(chosen.deadline); last.is_set()) {
    watch_ = std::make_unique<deadline_watch>(last, chosen.stop, [this] {
      late_.store(true, std::memory_order_release);
      halt();
    });
    stop_ = watch_->token();
    self_.set_stop_token(stop_);
  }
  if (chosen.max_failures || chosen.memory_limit || chosen.timeout) {
    lazy_meter meter(chosen.reporter, 0);
    tell_of_ignored_options(chosen, meter);
  }
}

PARMAP_INLINE serial_loop::~serial_loop() = default;

PARMAP_CATCHES_FORCED_UNWIND PARMAP_INLINE serial_loop::step serial_loop::run_next() {
  const bool halted = is_halted();
  if (halted && !size_) size_ = limit_;
  if (size_ && next_ >= *size_) return step::end;
  if (!halted && next_ >= limit_) return step::waits;
  serial_gate between(halted_, stop_);
  const task_scope inside;
  const std::uint64_t i = next_++;
  for (attempts_ = 0;;) {
    task_chunk chunk{i, i + 1, &between};
    between.set_attempt(attempts_ + 1);
    const ticks begun = options_.times ? now_ticks() : 0;
    try {
      tasks_.run(chunk, self_);
      if (options_.times) spent_ = now_ticks() - begun;
      if (chunk.at == i) return step::stopped;
      ++attempts_;
      return step::ran;
    } catch (const forced_unwind&) {
      throw;
    } catch (...) {
      ++attempts_;
      if (attempts_ > options_.retries || !is_worth_a_retry(options_, i, attempts_)) throw;
      sleep_before_retry(options_, halted_, i, attempts_);
    }
  }
}

PARMAP_INLINE std::string serial_loop::why_stopped() const {
  return late_.load(std::memory_order_acquire) ? deadline_text : stop_requested_text;
}

}  // namespace parmap::inline PARMAP_ABI::detail
