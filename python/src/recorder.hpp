// SPDX-License-Identifier: MIT
// The trace and status file of a map of Python, and all that observes a map.
#pragma once

#include <nanobind/nanobind.h>

#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/observers/time_keeper.hpp>
#include <parmap/detail/traces/map_recorder.hpp>
#include <parmap/parmap.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace parmap::python {

/// The recorder of a parmap._parmap.Recorder; null for None.
[[nodiscard]] std::shared_ptr<detail::map_recorder> recorder_of(nanobind::handle from);

/// Adds the class Recorder.
void bind_recorder(nanobind::module_& m);

/// Those who hear of the attempts of one map, by its options. They may be read while threads that were left behind
/// still tell them of their tasks.
class map_observers {
 public:
  map_observers(bool times, std::shared_ptr<detail::map_recorder> recorder) : recorder_(std::move(recorder)) {
    if (times) kept_.emplace(recorder_.get());
  }

  /// Null if there are none.
  [[nodiscard]] detail::attempt_observer* first() noexcept {
    return kept_ ? static_cast<detail::attempt_observer*>(&*kept_) : recorder_.get();
  }
  /// What the option times has measured: appends (seconds of all attempts, seconds of all workers, [(task, attempt,
  /// seconds) of the slowest]). With the GIL held.
  void tell_times(nanobind::list to) const {
    if (!kept_) return;
    const detail::map_times now = kept_->times();
    nanobind::list slowest;
    for (const task_time& each : now.slowest)
      slowest.append(nanobind::make_tuple(each.index, each.attempt, seconds(each.took)));
    to.append(nanobind::make_tuple(seconds(now.busy), seconds(now.elapsed) * now.workers, slowest));
  }

 private:
  static double seconds(std::chrono::nanoseconds span) noexcept { return std::chrono::duration<double>(span).count(); }

  std::shared_ptr<detail::map_recorder> recorder_;
  std::optional<detail::time_keeper> kept_;
};

}  // namespace parmap::python
