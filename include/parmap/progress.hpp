// SPDX-License-Identifier: MIT
// The progress of a running map, and the reporters that show it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/option_text.hpp>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// The state of a running map. A reporter gets it.
struct progress {
  std::uint64_t total{};                                ///< tasks of the map
  std::uint64_t completed{};                            ///< tasks that have a value
  std::uint64_t failed{};                               ///< tasks that have a failure
  std::chrono::nanoseconds elapsed{};                   ///< time since the map began
  double rate{};                                        ///< tasks done per second, smoothed; 0 while unknown
  std::optional<std::chrono::nanoseconds> remaining{};  ///< estimate of the time left; none while unknown
  bool finished{};                                      ///< this is the last report of the map

  /// The number of tasks that have ended. In the last report it is less than total if the map was stopped.
  [[nodiscard]] std::uint64_t done() const noexcept { return completed + failed; }
};

/// The ready-made reporters. They write to stderr, in the thread that called map. If a task has no value at the end, a
/// reporter that has shown the map adds a line such as "200 tasks in 2.0 s: 197 ok, 3 failed".
enum class report {
  automatic,  ///< a bar if stderr is a terminal and the map lasts over half a second, else nothing
  bar,        ///< a bar from the start; lines like `text` if stderr is not a terminal
  text,       ///< a plain line every 10 seconds and one at the end
  silent      ///< nothing
};

namespace detail {
class progress_meter;
}

/// How a map shows its progress: one of parmap::report, or any copyable callable that takes `const progress&`.
///
///     parmap::map(f, x, {.reporter = parmap::report::silent});
///     parmap::map(f, x, {.reporter = [](const parmap::progress& p) { set_label(p.done()); }});
///
/// The thread that called map calls the callable, at most every 0.1 s, and once more with `finished` set when the map
/// ends. Under serial, threads and async a report may come late, because that thread also runs tasks. If the callable
/// throws, map begins no new task, ends the workers and lets the exception out; all results are lost. Inside a task
/// only `bar`, `text` and callables report.
class reporter {
 public:
  /// report::automatic.
  reporter() noexcept = default;

  /// A ready-made reporter.
  // NOLINTNEXTLINE(google-explicit-constructor): options are written {.reporter = report::bar}
  reporter(report kind) noexcept : kind_(kind) {}

  /// A callable. Throws std::invalid_argument for an empty std::function or a null function pointer.
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, reporter> && !std::same_as<std::remove_cvref_t<F>, report> &&
             std::copy_constructible<std::decay_t<F>> && std::invocable<std::decay_t<F>&, const progress&>)
  // NOLINTNEXTLINE(google-explicit-constructor): or {.reporter = [](const progress&) {}}
  reporter(F&& call) : call_(std::forward<F>(call)) {
    if (!call_) throw std::invalid_argument("parmap: the reporter is an empty function; use parmap::report::silent");
  }

  /// Whether it never shows anything.
  [[nodiscard]] bool is_silent() const noexcept { return !call_ && kind_ == report::silent; }
  /// Whether it shows even the shortest map.
  [[nodiscard]] bool is_eager() const noexcept { return call_ || kind_ == report::bar || kind_ == report::text; }
  /// For map: what stands before the bar or the lines; see options::label.
  void set_label(option_text text) noexcept { label_ = std::move(text); }

 private:
  friend class detail::progress_meter;

  report kind_{report::automatic};
  std::function<void(const progress&)> call_{};
  option_text label_{};
};

}  // namespace parmap::inline PARMAP_ABI
