// SPDX-License-Identifier: MIT
// map_watch: all that observes one map by its options: options::times, options::trace and the status file of a store.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/traces/trace_path.hpp>
#include <parmap/detail/traces/watched_tasks.hpp>
#include <parmap/options.hpp>
#include <parmap/summary.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

// Checks the options of a map or stream, and completes them. A trace and a store measure times, so that they are in the
// summary, too.
PARMAP_API void prepare(options& chosen);

class map_watch {
 public:
  // It tells the observer of the tasks, too. `status`: a path of a status file, or empty. Throws what map_recorder
  // throws.
  template <class Tasks>
  map_watch(const options& chosen, std::string_view engine_name, const Tasks& tasks, const std::string& status = {})
      : map_watch(chosen, engine_name, watched(tasks), tasks.observer(), status) {}
  PARMAP_API ~map_watch();
  map_watch(const map_watch&) = delete;
  map_watch& operator=(const map_watch&) = delete;

  [[nodiscard]] PARMAP_API attempt_observer& observer() noexcept;
  // The engine has returned.
  PARMAP_API void finish() noexcept;
  [[nodiscard]] PARMAP_API map_times times() const;

 private:
  PARMAP_API map_watch(const options& chosen, std::string_view engine_name, watched_tasks&& tasks,
                       attempt_observer* next, const std::string& status);

  class state;
  std::unique_ptr<state> state_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/map_watch.inl.hpp>
#endif
