// SPDX-License-Identifier: MIT
// The engine threads: runs tasks on a pool of threads in this process that is kept between maps.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/streams/element_feed.hpp>
#include <parmap/detail/threads/threads_run.hpp>
#include <parmap/detail/threads/threads_stream.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace parmap::inline PARMAP_ABI {

/// The engine for short tasks: runs them in the calling thread and on a pool of threads. The pool starts a thread when
/// a map first needs it. All maps of the process share the pool, nested maps too.
///
///     auto meshes = parmap::map(parmap::threads, build, parameters);   // may return a std::unique_ptr
///
/// Several threads call f at once. A result may be of any type: the task constructs it in its slot, and nothing is
/// copied. The failure of a task keeps its exception (failure::rethrow). A task that crashes or exits ends the program:
/// use multi for such tasks.
///
/// options::timeout needs an f that takes context&, and throws std::invalid_argument for any other f. At the limit
/// threads requests a stop through context::stop_token(), and the task must look at it. The task then counts as
/// timed_out, however it ends. If it never ends, map does not return. memory_limit throws std::invalid_argument.
class threads_engine {
 public:
  static constexpr bool notes_elapsed = true;  // see map.hpp

  /// "threads".
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "threads"; }

  /// What map calls.
  template <class Tasks>
  auto run(const Tasks& tasks, const options& chosen) const -> results<typename Tasks::result> {
    detail::own_places<typename Tasks::result> values(tasks.size());
    const detail::placed_tasks_of bound(tasks, values);
    auto made = values.finish(detail::with_inputs(tasks, detail::run_on_threads(bound, values, tasks.size(), chosen)),
                              *chosen.seed);
    made.note_elapsed(values.elapsed());
    return made;
  }

  /// What stream calls. `size`: none if the number of tasks is unknown.
  template <class Tasks>
  auto open_stream(const Tasks& tasks, const options& chosen, std::optional<std::uint64_t> size,
                   detail::element_feed* /*feed*/) const {
    return std::make_unique<detail::threads_stream<Tasks>>(tasks, chosen, size, chosen.times);
  }
};

/// The engine to name in a call: `parmap::map(parmap::threads, f, x)`. See threads_engine.
inline constexpr threads_engine threads{};

static_assert(engine<threads_engine>);

}  // namespace parmap::inline PARMAP_ABI
