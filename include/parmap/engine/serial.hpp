// SPDX-License-Identifier: MIT
// The engine serial: a plain loop in the caller's thread, for debugging and as the baseline of the other engines.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/threads/serial_run.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <string_view>

namespace parmap::inline PARMAP_ABI {

/// Runs the tasks in order in the caller's thread. Unlike every other engine it stops at the first uncaught exception
/// (after the retries: the last one) and lets it propagate unchanged, so that a debugger stops where it was thrown.
///
/// It accepts every option, so that switching to it changes one word. timeout, memory_limit and max_failures have no
/// effect here; if the reporter draws on stderr, a line there says so, once per option and process. There is always one
/// worker.
class serial_engine {
 public:
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "serial"; }

  template <class Tasks>
  auto run(const Tasks& tasks, const options& chosen) const -> results<typename Tasks::result> {
    detail::own_places<typename Tasks::result> values(tasks.size());
    const detail::placed_tasks_of bound(tasks, values);
    return values.finish(detail::run_serially(bound, values, tasks.size(), chosen), *chosen.seed);
  }
};

/// See serial_engine.
inline constexpr serial_engine serial{};

static_assert(engine<serial_engine>);

}  // namespace parmap::inline PARMAP_ABI
