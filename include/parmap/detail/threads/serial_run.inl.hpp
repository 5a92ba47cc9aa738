// SPDX-License-Identifier: MIT
// The bodies of serial_run.hpp.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/threads/serial_run.hpp>

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// The options that have no effect on a loop, and whether a reporter has said so in this process.
class serial_note {
 public:
  explicit serial_note(const options& chosen) {
    add(max_failures, chosen.max_failures.has_value(), "max_failures");
    add(memory_limit, chosen.memory_limit.has_value(), "memory_limit");
    add(timeout, chosen.timeout.has_value(), "timeout");
    if (!text_.empty()) text_ += "; multi does";
  }

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  void was_written() const noexcept { written() |= about_; }

 private:
  enum option : unsigned { max_failures = 1, memory_limit = 2, timeout = 4 };

  static std::atomic<unsigned>& written() noexcept {
    static std::atomic<unsigned> options{0};
    return options;
  }
  void add(option which, bool set, const char* name) {
    if (!set || (written() & which) != 0) return;
    about_ |= which;
    text_ += text_.empty() ? "parmap: the engine serial does not enforce options." : ", options.";
    text_ += name;
  }

  unsigned about_{};
  std::string text_;
};

// The loop, until the tasks have ended or a stop is requested. `done`: the first task that has not ended, also when it
// throws. Returns how often that was begun.
PARMAP_INLINE unsigned loop_serially(const placed_tasks& tasks, std::uint64_t n, const options& chosen,
                                     std::uint64_t& done) {
  class gate final : public task_gate {
   public:
    explicit gate(const options& of) noexcept : task_gate(nullptr, of.stop) {}
  };
  context self(*chosen.seed, 0, chosen.stop);
  gate between(chosen);
  const bool careful = tasks.take_context() || chosen.stop.stop_possible();
  lazy_meter meter(chosen.reporter, n);
  const serial_note note(chosen);
  meter.add_note(note.text());
  const task_scope inside;
  chunk_pacer pace(1);  // how often to look at the meter
  ticks then = now_ticks();
  while (done < n && !chosen.stop.stop_requested()) {
    const std::uint64_t from = done;
    const auto left = static_cast<round_index>(std::min(n - from, max_round));
    task_chunk chunk{from, from + pace.chunk(left), careful ? &between : nullptr};
    try {
      tasks.run(chunk, self);
      done = chunk.at;
      if (!careful) between.set_attempt(1);
    } catch (...) {
      done = chunk.at;
      if (done != from) between.set_attempt(1);
      if (between.attempt() > chosen.retries) throw;
      between.set_attempt(between.attempt() + 1);
    }
    const ticks now = now_ticks();
    pace.ran(static_cast<round_index>(std::max<std::uint64_t>(done - from, 1)), now - then);
    then = now;
    try {
      meter.look(now, done, 0);
    } catch (const stop_now&) {
      break;
    }
  }
  meter.finish(done, 0);
  if (meter.noted()) note.was_written();
  return between.attempt() - 1;
}

PARMAP_INLINE failure_list run_serially(const placed_tasks& tasks, value_places& values, std::uint64_t n,
                                        const options& chosen) {
  std::uint64_t done = 0;
  failure_runs stopped;
  try {
    const unsigned attempts = loop_serially(tasks, n, chosen, done);
    add_stopped(stopped, done, n, stop_requested_text, attempts);
    return failure_list(std::move(stopped));
  } catch (...) {
    values.discard_all_but(stopped, done);
    throw;
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
