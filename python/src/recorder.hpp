// SPDX-License-Identifier: MIT
// The trace and status file of a map of Python, and all that observes a map.
#pragma once

#include "task_times.hpp"

#include <nanobind/nanobind.h>

#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/traces/map_recorder.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace parmap::python {

/// The recorder of a parmap._parmap.Recorder; null for None.
[[nodiscard]] std::shared_ptr<detail::map_recorder> recorder_of(nanobind::handle from);

/// Adds the class Recorder.
void bind_recorder(nanobind::module_& m);

/// Those who hear of the attempts of one map, by its options.
class map_observers {
 public:
  map_observers(bool times, std::shared_ptr<detail::map_recorder> recorder) : recorder_(std::move(recorder)) {
    if (times) kept_.emplace(recorder_.get());
  }

  /// Null if there are none.
  [[nodiscard]] detail::attempt_observer* first() noexcept {
    return kept_ ? static_cast<detail::attempt_observer*>(&*kept_) : recorder_.get();
  }
  /// What the option times has measured. With the GIL held.
  void tell_times(const nanobind::list& to) const {
    if (kept_) kept_->tell(to);
  }

 private:
  std::shared_ptr<detail::map_recorder> recorder_;
  std::optional<task_times> kept_;
};

}  // namespace parmap::python
