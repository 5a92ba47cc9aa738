// SPDX-License-Identifier: MIT
// The engine threads: a warm pool of threads in this process.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/threads/threads_run.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <string_view>

namespace parmap::inline PARMAP_ABI {

/// Runs the tasks in the caller's thread and in a warm pool of others, made when first needed and shared by all maps of
/// the process, also nested ones. f is called from several threads at once. Whatever a task throws is kept whole in its
/// failure (failure::rethrow); a task that crashes or exits takes the process with it: use multi for those.
///
/// A timeout needs an f that takes context&: its stop_token() is asked to stop, and however the task then ends it
/// counts as timed_out.
class threads_engine {
 public:
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "threads"; }

  template <class Tasks>
  auto run(const Tasks& tasks, const options& chosen) const -> results<typename Tasks::result> {
    detail::own_places<typename Tasks::result> values(tasks.size());
    const detail::placed_tasks_of bound(tasks, values);
    return values.finish(detail::run_on_threads(bound, values, tasks.size(), chosen), *chosen.seed);
  }
};

/// See threads_engine.
inline constexpr threads_engine threads{};

static_assert(engine<threads_engine>);

}  // namespace parmap::inline PARMAP_ABI
