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
// Towards the end rank 0 grants less, at last only what the workers need before a further answer can come.
class agent_pace {
 public:
  using clock = std::chrono::steady_clock;

  // What an agent asks for: at most `most` tasks, and `least` unless fewer are left, as workers would wait without.
  struct wish {
    std::uint64_t most{};
    std::uint64_t least{};
  };

  // `agents`: of the map; the more there are, the longer an answer of rank 0 may take.
  agent_pace(unsigned workers, std::uint64_t agents) noexcept
      : workers_(workers),
        answer_(std::max<clock::duration>(std::chrono::milliseconds(2), std::chrono::microseconds(10) * agents)) {}

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
  // Rank 0 has answered what next() asked for.
  void was_granted(std::uint64_t tasks) noexcept {
    granted_ += tasks;
    largest_ = std::max(largest_, tasks);
    // It keeps the rest for others. To ask again at once would not change that.
    enough_ = tasks < asked_ ? open() / 2 : ~std::uint64_t{0};
  }
  // Of the tasks that have been granted, those that have not ended.
  [[nodiscard]] std::uint64_t open() const noexcept { return granted_ - ended_; }
  // How long the agent may look away while its workers have `room` tasks that may begin: to look at each outcome of
  // short tasks would take much of a core. Zero where a look is soon due.
  [[nodiscard]] std::chrono::nanoseconds rest(std::uint64_t room, std::chrono::nanoseconds longest) const noexcept {
    if (rate_ == 0) return {};
    const std::chrono::duration<double> half(0.5 * static_cast<double>(std::min(room, open())) / rate_);
    const auto most = std::min<clock::duration>((looked_ - begun_) / 50, longest);
    return half < most ? std::chrono::duration_cast<std::chrono::nanoseconds>(half) : most;
  }
  // Whether it is time to ask.
  [[nodiscard]] bool wants() const noexcept {
    return open() < workers_ + ahead() / 2 || (open() < workers_ + quarter() && open() <= enough_);
  }
  // Call if it is time to ask, and ask for this.
  [[nodiscard]] wish next() noexcept {
    const std::uint64_t needed = workers_ + ahead();
    const std::uint64_t target = std::max(workers_ + 2 * quarter(), needed);
    asked_ = std::clamp<std::uint64_t>(target - std::min(target, open()), 1,
                                       16 * std::max<std::uint64_t>(largest_, workers_));
    return {asked_, std::min(needed - std::min(needed, open()), asked_)};
  }

 private:
  static constexpr std::chrono::milliseconds least_sample{2};
  static constexpr std::chrono::milliseconds long_sample{500};
  // Of a map that is stopped, an agent tells of each task that it was given and has not begun.
  static constexpr std::uint64_t largest_range = 1 << 17;

  [[nodiscard]] std::uint64_t in(clock::duration span) const noexcept {
    return static_cast<std::uint64_t>(std::min(rate_ * std::chrono::duration<double>(span).count(), 1e15));
  }
  // What must be open besides a task of each worker, so that no worker waits until two answers have come.
  [[nodiscard]] std::uint64_t ahead() const noexcept { return std::min(in(2 * answer_), largest_range); }
  // Until there is a sample: tasks have ended within less than that, so many more will within a quarter of a second.
  [[nodiscard]] std::uint64_t quarter() const noexcept {
    return std::min(!is_known_ ? 8 * ended_ : in(std::chrono::milliseconds(250)), largest_range);
  }

  unsigned workers_;
  clock::duration answer_;  // how long an answer of rank 0 may take
  std::uint64_t asked_{};
  std::uint64_t enough_{~std::uint64_t{0}};  // with more open tasks than this, there is no need to ask again
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
