// SPDX-License-Identifier: MIT
// agent_pace: when an agent asks for further tasks, and for how many, by the clock.
#pragma once

#include <parmap/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// An agent has as many tasks as it has workers, and those that its workers end in two further ranges of 0.25 s. So
// workers that run long tasks get one task each, and nothing waits behind them while workers elsewhere have none.
class agent_pace {
 public:
  using clock = std::chrono::steady_clock;

  // What an agent asks for: at most `most` tasks, and `least` unless fewer are left.
  struct wish {
    std::uint64_t most{};
    std::uint64_t least{};
  };

  explicit agent_pace(unsigned workers) noexcept : workers_(workers) {}

  // Call now and then. `ended`: the tasks that have ended so far.
  void look(clock::time_point now, std::uint64_t ended) noexcept {
    if (granted_ > ended_) busy_ += now - looked_;
    looked_ = now;
    ended_ = ended;
    // Tasks of one length end together: a sample that sees them all in an instant would take them for short ones.
    if (busy_ < least_sample || (ended - sampled_ < 4 * std::uint64_t{workers_} && busy_ < long_sample)) return;
    const double rate = static_cast<double>(ended - sampled_) / std::chrono::duration<double>(busy_).count();
    // The first samples have the start of the workers in them; a long one is no guess.
    const double weight = rate > rate_ || busy_ >= long_sample ? 1 : 0.5;
    rate_ += weight * (rate - rate_);
    is_known_ = true;
    sampled_ = ended;
    busy_ = {};
  }
  void was_granted(std::uint64_t tasks) noexcept {
    granted_ += tasks;
    largest_ = std::max(largest_, tasks);
  }
  // Of the tasks that have been granted, those that have not ended.
  [[nodiscard]] std::uint64_t open() const noexcept { return granted_ - ended_; }
  // How long the agent may look away while its workers have `room` tasks that may begin: to look at each outcome of
  // short tasks would take much of a core. Zero where a look is soon due.
  [[nodiscard]] std::chrono::nanoseconds rest(std::uint64_t room) const noexcept {
    if (rate_ == 0) return {};
    const std::chrono::duration<double> half(0.5 * static_cast<double>(std::min(room, open())) / rate_);
    const auto most = std::min<clock::duration>((looked_ - begun_) / 50, std::chrono::milliseconds(1));
    return half < most ? std::chrono::duration_cast<std::chrono::nanoseconds>(half) : most;
  }
  // Whether it is time to ask.
  [[nodiscard]] bool wants() const noexcept { return open() < workers_ + quarter(); }
  [[nodiscard]] wish next() const noexcept {
    const std::uint64_t target = workers_ + 2 * quarter();
    const std::uint64_t most =
        std::min(target - std::min(target, open()), 16 * std::max<std::uint64_t>(largest_, workers_));
    return {std::max<std::uint64_t>(most, 1),
            std::clamp<std::uint64_t>(in(std::chrono::milliseconds(50)), 1, largest_range)};
  }

 private:
  static constexpr std::chrono::milliseconds least_sample{2};
  static constexpr std::chrono::milliseconds long_sample{500};
  // Of a map that is stopped, an agent tells of each task that it was given and has not begun.
  static constexpr std::uint64_t largest_range = 1 << 17;

  [[nodiscard]] std::uint64_t in(std::chrono::milliseconds span) const noexcept {
    return static_cast<std::uint64_t>(std::min(rate_ * std::chrono::duration<double>(span).count(), 1e15));
  }
  // Until there is a sample: tasks have ended within less than that, so they are short.
  [[nodiscard]] std::uint64_t quarter() const noexcept {
    return std::min(!is_known_ ? ended_ : in(std::chrono::milliseconds(250)), largest_range);
  }

  unsigned workers_;
  std::uint64_t granted_{};
  std::uint64_t ended_{};
  std::uint64_t largest_{};
  clock::time_point begun_{clock::now()};
  clock::time_point looked_{begun_};
  clock::duration busy_{};  // since the last sample, while there were tasks
  std::uint64_t sampled_{};
  double rate_{};  // tasks that end in a second
  bool is_known_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
