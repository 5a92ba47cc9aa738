// SPDX-License-Identifier: MIT
// A progress meter that costs nothing until the work has lasted long enough to be worth a look.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/progress/progress_meter.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/progress.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

// Inside a task nothing is shown unless it was asked for: the outer map's bar is the one to look at.
class lazy_meter {
 public:
  lazy_meter(const reporter& who, std::uint64_t total, ticks begun = now_ticks());

  // Before anything is drawn: a line of its own on stderr. False, and nothing is written, if this meter draws nothing
  // there.
  [[nodiscard]] bool tell(std::string_view line);

  // Draws if it is time to. What a callable reporter throws passes.
  void look(ticks now, std::uint64_t completed, std::uint64_t failed) {
    if (!silent_ && now - begun_ >= worth_a_look_) look_closely(now, completed, failed);
  }
  // For work of which more becomes known as it goes.
  void set_total(std::uint64_t total) noexcept {
    total_ = total;
    if (meter_) meter_->set_total(total);
  }
  // How long a wait may last until the next look.
  [[nodiscard]] std::chrono::nanoseconds wait();
  void finish(std::uint64_t completed, std::uint64_t failed);
  // The wall time, once the work has ended. 0: not measured, as nothing is shown and there are few tasks, so that even
  // the two looks at the clock might be felt.
  [[nodiscard]] ticks elapsed() const noexcept { return elapsed_; }

 private:
  // Also in a worker process, which a short map need not know.
  [[nodiscard]] bool stays_silent() noexcept;
  void look_closely(ticks now, std::uint64_t completed, std::uint64_t failed);
  void start(std::chrono::steady_clock::time_point clock, ticks now);

  const reporter* who_;
  std::uint64_t total_;
  ticks begun_;
  bool silent_;
  ticks elapsed_{};
  ticks worth_a_look_{to_ticks(std::chrono::milliseconds(1))};
  std::optional<progress_meter> meter_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/progress/lazy_meter.inl.hpp>
#endif
