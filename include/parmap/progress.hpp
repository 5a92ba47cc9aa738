// SPDX-License-Identifier: MIT
// The progress of a running map, and the reporters that show it.
#pragma once

#include <parmap/detail/config.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// The state of a running map.
struct progress {
  std::uint64_t total{};                                ///< tasks of the map
  std::uint64_t completed{};                            ///< tasks that have a value
  std::uint64_t failed{};                               ///< tasks that have a failure
  std::chrono::nanoseconds elapsed{};                   ///< since the map began
  double rate{};                                        ///< tasks done per second, smoothed; 0: unknown
  std::optional<std::chrono::nanoseconds> remaining{};  ///< estimate; none while unknown
  bool finished{};                                      ///< this is the last report of the map

  /// The number of tasks that have ended. Less than total in the last report if the map was stopped.
  [[nodiscard]] std::uint64_t done() const noexcept { return completed + failed; }
};

/// The ready-made reporters. All of them write to stderr, from the thread that called map.
enum class report {
  automatic,  ///< a bar if stderr is a terminal and the map lasts over half a second, else nothing
  bar,        ///< a bar at once; lines like `text` if stderr is not a terminal
  text,       ///< a plain line every 10 seconds and one at the end
  silent      ///< nothing
};

namespace detail {
class progress_meter;
}

/// The progress display of a map: one of parmap::report, or any copyable callable that takes `const progress&`. The
/// thread that called map calls the callable, at most every 0.1 s, and once more with `finished` set when the map ends.
/// If it throws, the map is abandoned: the workers are ended, then the exception leaves map. The constructor throws
/// std::invalid_argument for an empty std::function or a null function pointer.
///
///     parmap::map(f, x, {.reporter = parmap::report::silent});
///     parmap::map(f, x, {.reporter = [](const parmap::progress& p) { set_label(p.done()); }});
class reporter {
 public:
  reporter() noexcept = default;

  // NOLINTNEXTLINE(google-explicit-constructor): options are written {.reporter = report::bar}
  reporter(report kind) noexcept : kind_(kind) {}

  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, reporter> && !std::same_as<std::remove_cvref_t<F>, report> &&
             std::copy_constructible<std::decay_t<F>> && std::invocable<std::decay_t<F>&, const progress&>)
  // NOLINTNEXTLINE(google-explicit-constructor): or {.reporter = [](const progress&) {}}
  reporter(F&& call) : call_(std::forward<F>(call)) {
    if (!call_) throw std::invalid_argument("parmap: the reporter is an empty function");
  }

  /// Whether nothing is ever shown.
  [[nodiscard]] bool is_silent() const noexcept { return !call_ && kind_ == report::silent; }
  /// Whether even the shortest map is shown.
  [[nodiscard]] bool is_eager() const noexcept { return call_ || kind_ == report::bar || kind_ == report::text; }

 private:
  friend class detail::progress_meter;

  report kind_{report::automatic};
  std::function<void(const progress&)> call_{};
};

}  // namespace parmap::inline PARMAP_ABI
