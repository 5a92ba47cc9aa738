// SPDX-License-Identifier: MIT
// The engine threads: a warm team of threads in this process.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/threads/threads_run.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

namespace parmap {

/// Runs the tasks in the caller's thread and in a warm team of others, made when first needed and shared by all maps of
/// the process, also nested ones. f is called from several threads at once. Whatever a task throws is kept whole in its
/// failure (failure::rethrow); a task that crashes or exits takes the process with it: use multi for those.
///
/// A timeout needs an f that takes context&: its stop_token() is asked to stop, and however the task then ends it
/// counts as timed_out.
class threads_engine {
 public:
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "threads"; }

  template <class Work>
  auto run(const Work& work, const options& chosen) const -> results<typename Work::result> {
    if constexpr (!Work::takes_context)
      if (chosen.timeout)
        detail::refuse(
            name(), "timeout for this f",
            "a thread cannot be killed: let f take parmap::context& first and look at its stop_token(), or use multi");
    if (chosen.memory_limit) detail::refuse(name(), "memory_limit", "its tasks share one memory; use multi");
    const std::uint64_t n = work.size();
    // One task sets no pace, and the look would be a tenth of a short call.
    const detail::ticks begun = n > 1 || !chosen.report.is_silent() ? detail::now_ticks() : 0;
    detail::own_places<typename Work::result> sink(n);
    detail::task_tally account(name(), chosen, n, begun);
    const unsigned most = chosen.workers != 0 ? chosen.workers : detail::usable_cores();
    for (std::uint64_t from = 0; from < n; from += std::min(n - from, detail::max_round)) {
      const std::uint64_t tasks = std::min(n - from, detail::max_round);
      const auto workers = static_cast<unsigned>(std::min<std::uint64_t>(most, tasks));
      detail::threads_run round(work, chosen, sink, account, from, static_cast<detail::round_index>(tasks), workers,
                                begun);
      round.run();
    }
    return account.finish(sink);
  }
};

/// See threads_engine.
inline constexpr threads_engine threads{};

static_assert(engine<threads_engine>);

}  // namespace parmap
