// SPDX-License-Identifier: MIT
// Decides when the progress of a map is due to be shown, and shows it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/progress/progress_text.hpp>
#include <parmap/progress.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

/// Decides when a map's reporter is due and does its drawing. The engine calls update now and then,
/// finish once at the end. Used by one thread. The constructor makes no system call and allocates
/// nothing: a map of a few nanoseconds must not pay for a bar that it never shows.
///
///     progress_meter shown(options.reporter, n, start);
///     while (busy) { poll(..., shown.wait()); shown.update(clock::now(), completed, failed); }
///     shown.finish(clock::now(), completed, failed);
class progress_meter {
 public:
  using clock = std::chrono::steady_clock;

  /// `to` must outlive the meter. The work began at `start`.
  progress_meter(const reporter& to, std::uint64_t total, clock::time_point start) noexcept;
  progress_meter(const reporter&&, std::uint64_t, clock::time_point) = delete;
  progress_meter(const progress_meter&) = delete;
  progress_meter& operator=(const progress_meter&) = delete;
  /// A map left by an exception leaves the cursor on a line of its own.
  ~progress_meter();

  /// Whether its reporter draws on stderr: neither a callable, nor `automatic` without a terminal.
  [[nodiscard]] static bool draws_on_stderr(const reporter& to) noexcept;

  /// For work of which more becomes known as it goes.
  void set_total(std::uint64_t total) noexcept { total_ = total; }
  /// How long from now until update may have something to do; nanoseconds::max() if never again.
  [[nodiscard]] std::chrono::nanoseconds wait(clock::time_point now = clock::now()) const noexcept;
  /// Whether update would do anything. One comparison.
  [[nodiscard]] bool due(clock::time_point now) const noexcept { return now >= next_; }
  /// Reports if it is due. What a callable throws passes; a stderr that takes nothing is ignored.
  void update(clock::time_point now, std::uint64_t completed, std::uint64_t failed);
  /// The last report. If a task has no value, a line such as "200 tasks in 2.0 s: 197 ok, 3 failed" follows the bar, or
  /// the last line. `automatic` stays silent about a work of under half a second. Later calls of update and finish do
  /// nothing.
  void finish(clock::time_point now, std::uint64_t completed, std::uint64_t failed);

 private:
  enum class drawing { undecided, bar, lines, call, nothing };

  static constexpr auto never = clock::time_point::max();
  static constexpr std::chrono::milliseconds patience{500};
  static constexpr std::chrono::milliseconds short_interval{100};
  static constexpr std::chrono::seconds long_interval{10};

  void decide();
  [[nodiscard]] std::string label() const;
  void sample(clock::time_point now, std::uint64_t done) noexcept;
  [[nodiscard]] progress state(clock::time_point now, std::uint64_t completed, std::uint64_t failed) const noexcept;
  void show(const progress& now);
  void draw(const progress& now);

  const reporter* to_;
  std::uint64_t total_;
  clock::time_point start_;
  clock::time_point next_{never};
  drawing how_{drawing::undecided};
  bool finished_{};

  clock::time_point sampled_;
  std::uint64_t sampled_done_{};
  double mean_tasks_{};
  double mean_seconds_{};

  bar_style style_{};
  bool line_open_{};
  std::size_t drawn_columns_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/progress/progress_meter.inl.hpp>
#endif
