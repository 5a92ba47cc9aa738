// SPDX-License-Identifier: MIT
// Progress: what a running map tells, who shows it, and when.
#pragma once

#include <parmap/detail/progress/progress_text.hpp>
#include <parmap/detail/progress/terminal.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace parmap {

/// The state of a running map.
struct progress {
  std::uint64_t total{};                                ///< tasks of the map
  std::uint64_t completed{};                            ///< tasks that have a value
  std::uint64_t failed{};                               ///< tasks that have a failure
  std::chrono::nanoseconds elapsed{};                   ///< since the map began
  double rate{};                                        ///< done a second, smoothed; 0: unknown
  std::optional<std::chrono::nanoseconds> remaining{};  ///< estimate; none while unknown
  bool finished{};                                      ///< the last report of this map

  /// Tasks that need no more work. Less than total in the last report if the map was stopped.
  [[nodiscard]] std::uint64_t done() const noexcept { return completed + failed; }
};

/// The ready-made reporters. All of them write to stderr, from the thread that called map.
enum class report {
  automatic,  ///< a bar if stderr is a terminal and the work lasts over half a second, else nothing
  bar,        ///< a bar at once; if stderr is no terminal, lines as text
  text,       ///< a plain line every 10 seconds and one at the end
  silent      ///< nothing
};

namespace detail {
class meter;
}

/// Who shows the progress of a map: one of parmap::report, or any copyable callable that takes
/// `const progress&`. A callable is called by the thread that called map, at most every 0.1 s, and
/// once more with `finished` set when the map ends. If it throws, the map is given up: workers are
/// ended, then the exception leaves map. Throws std::invalid_argument for an empty std::function or
/// a null function pointer.
///
///     parmap::map(f, x, {.report = parmap::report::silent});
///     parmap::map(f, x, {.report = [](const parmap::progress& p) { set_label(p.done()); }});
class reporter {
 public:
  reporter() noexcept = default;

  // NOLINTNEXTLINE(google-explicit-constructor): options are written {.report = report::bar}
  reporter(report kind) noexcept : kind_(kind) {}

  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, reporter> && !std::same_as<std::remove_cvref_t<F>, report> &&
             std::copy_constructible<std::decay_t<F>> && std::invocable<std::decay_t<F>&, const progress&>)
  // NOLINTNEXTLINE(google-explicit-constructor): or {.report = [](const progress&) {}}
  reporter(F&& call) : call_(std::forward<F>(call)) {
    if (!call_) throw std::invalid_argument("parmap: the reporter is an empty function");
  }

  /// Whether nothing is ever shown.
  [[nodiscard]] bool is_silent() const noexcept { return !call_ && kind_ == report::silent; }
  /// Whether also the shortest map is shown.
  [[nodiscard]] bool is_eager() const noexcept { return call_ || kind_ == report::bar || kind_ == report::text; }

 private:
  friend class detail::meter;

  report kind_{report::automatic};
  std::function<void(const progress&)> call_{};
};

namespace detail {

/// Decides when a map's reporter is due and does its drawing. The engine calls update now and then,
/// finish once at the end. Used by one thread. The constructor makes no system call and allocates
/// nothing: a map of a few nanoseconds must not pay for a bar that it never shows.
///
///     meter shown(options.report, n, start);
///     while (busy) { poll(..., shown.wait()); shown.update(clock::now(), completed, failed); }
///     shown.finish(clock::now(), completed, failed);
class meter {
 public:
  using clock = std::chrono::steady_clock;

  /// `to` must outlive the meter. The work began at `start`.
  meter(const reporter& to, std::uint64_t total, clock::time_point start) noexcept
      : to_(&to),
        total_(total),
        start_(start),
        sampled_(start) {
    if (to.call_) {
      how_ = drawing::call;
      next_ = start + short_interval;
      return;
    }
    switch (to.kind_) {
      case report::automatic: next_ = start + patience; break;
      case report::bar: next_ = start + short_interval; break;
      case report::text:
        how_ = drawing::lines;
        next_ = start + long_interval;
        break;
      case report::silent: how_ = drawing::nothing; break;
    }
  }
  meter(const reporter&&, std::uint64_t, clock::time_point) = delete;
  meter(const meter&) = delete;
  meter& operator=(const meter&) = delete;

  /// A map left by an exception leaves the cursor on a line of its own.
  ~meter() {
    if (line_open_) write_all(standard_error, "\n");
  }

  /// How long from now until update may have something to do; nanoseconds::max() if never again.
  [[nodiscard]] std::chrono::nanoseconds wait(clock::time_point now = clock::now()) const noexcept {
    if (next_ == never) return std::chrono::nanoseconds::max();
    return std::max(std::chrono::nanoseconds::zero(), next_ - now);
  }

  /// Whether update would do anything. One comparison.
  [[nodiscard]] bool due(clock::time_point now) const noexcept { return now >= next_; }

  /// Reports if it is due. What a callable throws passes; a stderr that takes nothing is ignored.
  void update(clock::time_point now, std::uint64_t completed, std::uint64_t failed) {
    if (!due(now)) return;
    decide();
    if (how_ == drawing::nothing) return;
    if (how_ == drawing::lines && now < start_ + long_interval) {
      next_ = start_ + long_interval;
      return;
    }
    next_ = now + (how_ == drawing::lines ? long_interval : short_interval);
    sample(now, completed + failed);
    show(state(now, completed, failed));
  }

  /// The last report. `automatic` stays silent about a work of under half a second. Later calls of
  /// update and finish do nothing.
  void finish(clock::time_point now, std::uint64_t completed, std::uint64_t failed) {
    if (finished_) return;
    finished_ = true;
    next_ = never;
    if (how_ == drawing::undecided && to_->kind_ == report::automatic && now < start_ + patience)
      how_ = drawing::nothing;
    decide();
    if (how_ == drawing::nothing) return;
    progress last = state(now, completed, failed);
    last.finished = true;
    last.rate = overall_rate(last);  // as tqdm does: the end is no longer about the last seconds
    last.remaining = std::chrono::nanoseconds::zero();
    show(last);
  }

 private:
  enum class drawing { undecided, bar, lines, call, nothing };

  static constexpr auto never = clock::time_point::max();
  static constexpr std::chrono::milliseconds patience{500};
  static constexpr std::chrono::milliseconds short_interval{100};
  static constexpr std::chrono::seconds long_interval{10};

  /// Asks what stderr is, once, and only when it matters.
  void decide() {
    if (how_ != drawing::undecided) return;
    if (is_terminal(standard_error)) {
      how_ = drawing::bar;
      style_ = {.unicode = speaks_utf8(), .colour = colour_allowed()};
    } else if (to_->kind_ == report::bar) {
      how_ = drawing::lines;
    } else {
      how_ = drawing::nothing;
      next_ = never;
    }
  }

  /// tqdm's smoothing: tasks and time are averaged apart, each by last = 0.3 x + 0.7 last, and the
  /// rate is their quotient, in which the correction for the first few samples cancels out. Time in
  /// which no task ended stays with the next sample, so that slow tasks are not counted too fast.
  void sample(clock::time_point now, std::uint64_t done) noexcept {
    if (done <= sampled_done_ || now <= sampled_) return;
    constexpr double weight = 0.3;
    const std::chrono::duration<double> seconds = now - sampled_;
    mean_tasks_ += weight * (static_cast<double>(done - sampled_done_) - mean_tasks_);
    mean_seconds_ += weight * (seconds.count() - mean_seconds_);
    sampled_ = now;
    sampled_done_ = done;
  }

  [[nodiscard]] progress state(clock::time_point now, std::uint64_t completed, std::uint64_t failed) const noexcept {
    progress p{.total = total_, .completed = completed, .failed = failed, .elapsed = now - start_};
    p.rate = mean_seconds_ > 0 ? mean_tasks_ / mean_seconds_ : overall_rate(p);
    if (p.rate > 0) {
      const double seconds = static_cast<double>(total_ - std::min(total_, p.done())) / p.rate;
      constexpr double longest = 9e9;  // what fits into nanoseconds
      if (seconds < longest)
        p.remaining = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
    }
    return p;
  }

  [[nodiscard]] static double overall_rate(const progress& p) noexcept {
    const double seconds = std::chrono::duration<double>(p.elapsed).count();
    return seconds > 0 ? static_cast<double>(p.done()) / seconds : 0;
  }

  /// A failed write is ignored: the results do not depend on whether somebody could watch, and
  /// there is no better place to complain to than the stderr that is closed or full.
  void show(const progress& now) {
    switch (how_) {
      case drawing::call: to_->call_(now); break;
      case drawing::lines: write_all(standard_error, format_line(now) + "\n"); break;
      case drawing::bar: draw(now); break;
      case drawing::undecided:
      case drawing::nothing: break;
    }
  }

  void draw(const progress& now) {
    // The last column stays free: some terminals wrap as soon as it is written.
    const std::size_t columns = terminal_columns(standard_error) - 1;
    const drawn_text line = format_bar(now, columns, style_);
    std::string bytes = "\r" + line.text;
    const std::size_t remains = std::min(drawn_columns_, columns);
    if (remains > line.columns) bytes.append(remains - line.columns, ' ');
    if (now.finished) bytes += '\n';
    line_open_ = !now.finished;
    drawn_columns_ = line.columns;
    write_all(standard_error, bytes);
  }

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

}  // namespace detail
}  // namespace parmap
