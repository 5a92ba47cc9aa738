// SPDX-License-Identifier: MIT
// The engine serial: a plain loop in the caller's thread, for debugging and as the baseline of the other engines.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/placed_tasks.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/streams/element_feed.hpp>
#include <parmap/detail/threads/serial_run.hpp>
#include <parmap/detail/threads/serial_stream.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace parmap::inline PARMAP_ABI {

/// The engine for debugging: runs the tasks in input order in the calling thread. If a task throws, and its retries
/// too, the last exception leaves map unchanged and the other results are lost. So a debugger stops where it was
/// thrown.
///
///     auto y = parmap::map(parmap::serial, f, x);
///
/// A task that crashes or exits ends the program. The results need not be able to leave a worker.
///
/// serial accepts every option, so that you can switch to it by changing one word. timeout, memory_limit and
/// max_failures have no effect. If the reporter draws on stderr, a line there says so, once per option and process.
/// There is always one worker.
class serial_engine {
 public:
  static constexpr bool notes_elapsed = true;  // see map.hpp

  /// "serial".
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "serial"; }

  /// What map calls.
  template <class Tasks>
  auto run(const Tasks& tasks, const options& chosen) const -> results<typename Tasks::result> {
    detail::own_places<typename Tasks::result> values(tasks.size());
    const detail::placed_tasks_of bound(tasks, values);
    auto made = values.finish(detail::run_serially(bound, values, tasks.size(), chosen), *chosen.seed);
    made.note_elapsed(values.elapsed());
    return made;
  }

  /// What stream calls. `size`: none if the number of tasks is unknown.
  template <class Tasks>
  auto open_stream(const Tasks& tasks, const options& chosen, std::optional<std::uint64_t> size,
                   detail::element_feed* /*feed*/) const {
    return std::make_unique<detail::serial_stream<Tasks>>(tasks, chosen, size);
  }
};

/// The engine to name in a call: `parmap::map(parmap::serial, f, x)`. See serial_engine.
inline constexpr serial_engine serial{};

static_assert(engine<serial_engine>);

}  // namespace parmap::inline PARMAP_ABI
