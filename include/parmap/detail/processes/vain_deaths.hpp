// SPDX-License-Identifier: MIT
// vain_deaths: counts deaths of workers between which nothing was done, and says when no further worker is worth
// starting.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/death_message.hpp>
#include <parmap/detail/processes/worker_watch.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/system/number_text.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class vain_deaths {
 public:
  // On a busy machine workers are often killed during their start, so many idle deaths are borne.
  vain_deaths(unsigned most_idle, const activity_limits& limits) : most_idle_(most_idle), limits_(limits) {}

  // A worker was killed because it had not begun in time.
  void late_birth() {
    if (++late_births_ == most_late_births)
      reason_ =
          std::to_string(most_late_births) + " workers in a row had not begun " + to_text(limits_.birth) +
          " after their fork: what a worker runs first (a fork handler, in Python also init) hangs or is slow; if "
          "it is slow, raise options.timeout: a worker has at least ten times that to begin";
  }
  // A worker has died of something else. in_vain: not in a task, nor to make room. `done`: finished tasks of the map.
  // hung: it was killed between two tasks.
  void death(bool in_vain, std::uint64_t done, bool hung, const death_cause& cause) {
    late_births_ = 0;
    const bool progress = std::exchange(done_before_, done) != done;
    if (!in_vain || progress) idle_ = hangs_ = 0;
    else if (hung && ++hangs_ == most_hangs)
      reason_ = std::to_string(hangs_) + " workers in a row hung before their next task and were killed after " +
                to_text(limits_.between) + "; did something stop them (SIGSTOP)?";
    else if (++idle_ > most_idle_)
      reason_ = std::to_string(idle_) +
                " worker processes in a row died before they began a task; the last one: " + describe(cause);
  }

  [[nodiscard]] bool too_many() const noexcept {
    return idle_ > most_idle_ || hangs_ >= most_hangs || late_births_ >= most_late_births;
  }
  // Once there are too many: why.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

 private:
  static constexpr unsigned most_late_births = 2;
  static constexpr unsigned most_hangs = 4;

  unsigned most_idle_;
  const activity_limits& limits_;
  unsigned idle_{};
  unsigned hangs_{};
  unsigned late_births_{};
  std::uint64_t done_before_{};  // at the last death
  std::string reason_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
