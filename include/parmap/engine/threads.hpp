// SPDX-License-Identifier: MIT
// The engine threads: runs tasks on a pool of threads in this process that is kept between maps.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/threads/threads_run.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <string_view>

namespace parmap::inline PARMAP_ABI {

/// Runs the tasks in the caller's thread and on a pool of threads. The pool starts threads when they are first needed;
/// all maps of the process share it, including nested ones. f is called from several threads at once. The failure of a
/// task keeps its exception (failure::rethrow). A task that crashes or exits ends the whole process: use multi for such
/// tasks.
///
/// A timeout needs an f that takes context&: at the limit its stop_token() is requested to stop. The task then counts
/// as timed_out, however it ends.
class threads_engine {
 public:
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "threads"; }

  template <class Tasks>
  auto run(const Tasks& tasks, const options& chosen) const -> results<typename Tasks::result> {
    detail::own_places<typename Tasks::result> values(tasks.size());
    const detail::placed_tasks_of bound(tasks, values);
    return values.finish(detail::with_inputs(tasks, detail::run_on_threads(bound, values, tasks.size(), chosen)),
                         *chosen.seed);
  }
};

/// See threads_engine.
inline constexpr threads_engine threads{};

static_assert(engine<threads_engine>);

}  // namespace parmap::inline PARMAP_ABI
