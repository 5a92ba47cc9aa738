// SPDX-License-Identifier: MIT
// The engine serial: a plain loop in the caller's thread, for debugging and as the measure of the others.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/results/result_places.hpp>
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

namespace parmap {

/// Runs the tasks in order in the caller's thread. Unlike every other engine it halts at the first uncaught exception
/// and lets it through untouched (after the retries, the last one), so that a debugger stops where it was thrown.
/// Refuses timeout, max_failures, memory_limit and more than one worker.
class serial_engine {
 public:
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "serial"; }

  template <class Work>
  auto run(const Work& work, const options& chosen) const -> results<typename Work::result> {
    if (chosen.timeout) detail::refuse(name(), "timeout", "a loop cannot end its own task; use threads or multi");
    if (chosen.max_failures) detail::refuse(name(), "max_failures", "the first exception passes to the caller");
    if (chosen.memory_limit) detail::refuse(name(), "memory_limit", "its tasks run in the caller; use multi");
    if (chosen.workers > 1) detail::refuse(name(), "workers above 1", "it is a loop in the caller's thread");

    const std::uint64_t n = work.size();
    std::uint64_t done = 0;
    detail::own_places<typename Work::result> sink(n);
    detail::failure_runs stopped;
    try {
      const unsigned attempts = loop(work, chosen, sink, done);
      detail::add_stopped(stopped, done, n, detail::stop_requested_text, attempts);
    } catch (...) {
      sink.give_up(stopped, done);
      throw;
    }
    return sink.finish(std::move(stopped), *chosen.seed);
  }

 private:
  // How often the first task that is not done was begun.
  template <class Work, class Sink>
  static unsigned loop(const Work& work, const options& chosen, const Sink& sink, std::uint64_t& done) {
    const std::uint64_t n = work.size();
    const bool stoppable = chosen.stop.stop_possible();
    context self(*chosen.seed, 0, chosen.stop);
    detail::lazy_meter meter(chosen.report, n);
    const detail::task_scope inside;
    detail::chunk_pacer pace(1);  // how often to look at the meter
    unsigned attempt = 1;
    detail::ticks then = detail::now_ticks();
    while (done < n && !chosen.stop.stop_requested()) {
      const std::uint64_t from = done;
      const auto left = static_cast<detail::round_index>(std::min(n - from, detail::max_round));
      try {
        work.for_each(from, from + pace.chunk(left), self, [&](std::uint64_t i, const auto& call) {
          if (stoppable && chosen.stop.stop_requested()) return false;
          self.begin(i, attempt);
          sink.put(i, call);
          done = i + 1;
          attempt = 1;
          return true;
        });
      } catch (...) {
        if (attempt++ > chosen.retries) throw;
      }
      const detail::ticks now = detail::now_ticks();
      pace.ran(static_cast<detail::round_index>(std::max<std::uint64_t>(done - from, 1)), now - then);
      then = now;
      try {
        meter.look(now, done, 0);
      } catch (const detail::stop_now&) {
        break;
      }
    }
    meter.finish(done, 0);
    return attempt - 1;
  }
};

/// See serial_engine.
inline constexpr serial_engine serial{};

static_assert(engine<serial_engine>);

}  // namespace parmap
