// SPDX-License-Identifier: MIT
// The bodies of progress_meter.hpp.
#pragma once

#include <parmap/detail/progress/progress_meter.hpp>
#include <parmap/detail/progress/summary_line.hpp>
#include <parmap/detail/progress/terminal.hpp>

#include <algorithm>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE double overall_rate(const progress& p) noexcept {
  const double seconds = std::chrono::duration<double>(p.elapsed).count();
  return seconds > 0 ? static_cast<double>(p.done()) / seconds : 0;
}

PARMAP_INLINE progress_meter::progress_meter(const reporter& to, std::uint64_t total, clock::time_point start) noexcept
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

PARMAP_INLINE progress_meter::~progress_meter() {
  if (line_open_) write_all(standard_error, "\n");
}

PARMAP_INLINE bool progress_meter::draws_on_stderr(const reporter& to) noexcept {
  if (to.call_ || to.kind_ == report::silent) return false;
  return to.kind_ != report::automatic || is_terminal(standard_error);
}

PARMAP_INLINE std::chrono::nanoseconds progress_meter::wait(clock::time_point now) const noexcept {
  if (next_ == never) return std::chrono::nanoseconds::max();
  return std::max(std::chrono::nanoseconds::zero(), next_ - now);
}

PARMAP_INLINE void progress_meter::update(clock::time_point now, std::uint64_t completed, std::uint64_t failed) {
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

PARMAP_INLINE void progress_meter::finish(clock::time_point now, std::uint64_t completed, std::uint64_t failed) {
  if (finished_) return;
  finished_ = true;
  next_ = never;
  if (how_ == drawing::undecided && to_->kind_ == report::automatic && now < start_ + patience) how_ = drawing::nothing;
  decide();
  if (how_ == drawing::nothing) return;
  progress last = state(now, completed, failed);
  last.finished = true;
  last.rate = overall_rate(last);  // as tqdm does: the end is no longer about the last seconds
  last.remaining = std::chrono::nanoseconds::zero();
  show(last);
  if (how_ != drawing::call && completed < total_)
    write_all(standard_error, label() + format_summary(last.elapsed, completed, failed, total_ - last.done()) + '\n');
}

PARMAP_INLINE std::string progress_meter::label() const {
  return to_->label_.empty() ? std::string() : to_->label_.str() + ": ";
}

// Asks what stderr is, once, and only when it matters.
PARMAP_INLINE void progress_meter::decide() {
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

// tqdm's smoothing: tasks and time are averaged apart, each by last = 0.3 x + 0.7 last, and the
// rate is their quotient, in which the correction for the first few samples cancels out. Time in
// which no task ended stays with the next sample, so that slow tasks are not counted too fast.
PARMAP_INLINE void progress_meter::sample(clock::time_point now, std::uint64_t done) noexcept {
  if (done <= sampled_done_ || now <= sampled_) return;
  constexpr double weight = 0.3;
  const std::chrono::duration<double> seconds = now - sampled_;
  mean_tasks_ += weight * (static_cast<double>(done - sampled_done_) - mean_tasks_);
  mean_seconds_ += weight * (seconds.count() - mean_seconds_);
  sampled_ = now;
  sampled_done_ = done;
}

PARMAP_INLINE progress progress_meter::state(clock::time_point now, std::uint64_t completed,
                                             std::uint64_t failed) const noexcept {
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

// A failed write is ignored: the results do not depend on whether somebody could watch, and
// there is no better place to complain to than the stderr that is closed or full.
PARMAP_INLINE void progress_meter::show(const progress& now) {
  switch (how_) {
    case drawing::call: to_->call_(now); break;
    case drawing::lines: write_all(standard_error, label() + format_line(now) + "\n"); break;
    case drawing::bar: draw(now); break;
    case drawing::undecided:
    case drawing::nothing: break;
  }
}

PARMAP_INLINE void progress_meter::draw(const progress& now) {
  // The last column stays free: some terminals wrap as soon as it is written.
  const std::size_t columns = terminal_columns(standard_error) - 1;
  const drawn_text line = format_bar(to_->label_.str(), now, columns, style_);
  std::string bytes = "\r" + line.text;
  const std::size_t remains = std::min(drawn_columns_, columns);
  if (remains > line.columns) bytes.append(remains - line.columns, ' ');
  if (now.finished) bytes += '\n';
  line_open_ = !now.finished;
  drawn_columns_ = line.columns;
  write_all(standard_error, bytes);
}

}  // namespace parmap::inline PARMAP_ABI::detail
