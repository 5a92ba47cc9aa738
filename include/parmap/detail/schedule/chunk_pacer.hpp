// SPDX-License-Identifier: MIT
// How many tasks a worker claims at once: by the clock, so that nobody has to say.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/claim_blocks.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

namespace parmap::inline PARMAP_ABI::detail {

// One worker's pace. It begins with one task and grows towards the target: by at most x16, or to what takes 2 us by the
// last chunk's measure. It is cut at once when tasks turn out long. With p for a worker's part, left / workers rounded
// up, a chunk has at most p / 2 tasks, so that the ends meet evenly; where that is less than the floor, at most p:
// there a claim costs as much as the imbalance it prevents. It never has more of the rest than that, as the first
// inputs of a list are often the easy ones. The more workers contend for the range, the higher the floor.
class chunk_pacer {
 public:
  static constexpr std::chrono::microseconds target{50};
  static constexpr round_index growth = 16;

  // No arithmetic yet: a map of one task has no pace.
  explicit chunk_pacer(unsigned workers) noexcept
      : workers_(workers) {}  // NOLINT(cppcoreguidelines-pro-type-member-init)

  // Of `left` unclaimed tasks, one at least.
  [[nodiscard]] round_index chunk(round_index left) const noexcept {
    const round_index fair = (left - 1) / workers_ + 1;
    return std::min(std::max(std::min(fair / 2, wanted_), std::min(fair, least_)), bound_);
  }
  // Of the unclaimed tasks `all`, what this worker claims.
  [[nodiscard]] interval claim(interval all, unsigned worker) const noexcept {
    if (batches_ != nullptr) return in_batch(all);
    const interval mine = take(all, worker, chunk(all.size()));
    return blocks_.size == 0 ? mine : in_blocks(mine, all);
  }
  // Claims keep to the boundaries of blocks from now on. `from`: the round's first task.
  void keep_blocks(claim_blocks blocks, std::uint64_t from) noexcept {
    blocks_ = blocks;
    from_ = from;
  }
  // Each claim is a batch, or the rest of one, from now on; null: it is not.
  void keep_batches(const claim_batches* batches) noexcept { batches_ = batches; }
  // No chunk has more than `most` tasks, one at least.
  void bound(std::uint64_t most) noexcept {
    bound_ = static_cast<round_index>(std::min<std::uint64_t>(most, std::numeric_limits<round_index>::max()));
  }

  // How many tasks take less than is worth a look at the clock.
  [[nodiscard]] round_index unwatched() const noexcept { return least_; }

  // Whether `left` tasks would take this worker longer, by the last chunk's measure.
  [[nodiscard]] bool take_longer(round_index left, ticks than) const noexcept {
    return left > static_cast<double>(than) * rate_;
  }

  // The last chunk had `tasks` tasks and took `spent`.
  void ran(round_index tasks, ticks spent) noexcept {
    rate_ = tasks / std::max(static_cast<double>(spent), 1.0);
    const double in_target = static_cast<double>(target.count()) * ticks_per_us() * rate_;
    const double in_floor = in_target * 0.02 * std::max(1.0, static_cast<double>(workers_) * (1.0 / 16));
    const double most = std::min(std::max(static_cast<double>(tasks) * growth, in_target * 0.04), double{0x7fff'ffff});
    wanted_ = static_cast<round_index>(std::clamp(in_target, 1.0, most));
    least_ = static_cast<round_index>(std::clamp(in_floor, 1.0, most));
  }

 private:
  // Apart, so that maps do not pay for it.
  [[nodiscard]] [[gnu::noinline]] interval in_blocks(interval mine, interval all) const noexcept {
    return wants_whole_blocks(all.size()) ? blocks_.widened(mine, all, from_) : mine;
  }
  [[nodiscard]] [[gnu::noinline]] interval in_batch(interval all) const noexcept {
    const std::uint64_t size = batches_->end_of(from_ + all.b) - (from_ + all.b);
    return {all.b, all.b + static_cast<round_index>(std::min<std::uint64_t>({size, all.size(), bound_}))};
  }
  // A claim that may split blocks does so near the end, where that balances the work, and where the tasks of a block
  // take long: if their worker died, whoever takes over the rest of the block could be the last one.
  [[nodiscard]] bool wants_whole_blocks(round_index left) const noexcept {
    if (blocks_.always) return true;
    constexpr std::chrono::microseconds longest = std::chrono::seconds(5);
    return left / workers_ / 2 >= blocks_.size &&
           blocks_.size < static_cast<double>(longest.count()) * ticks_per_us() * rate_;
  }

  unsigned workers_;
  claim_blocks blocks_;
  const claim_batches* batches_{};
  std::uint64_t from_;  // set with blocks_
  double rate_{};       // tasks a tick
  round_index wanted_{1};
  round_index least_{1};
  round_index bound_{std::numeric_limits<round_index>::max()};
};

}  // namespace parmap::inline PARMAP_ABI::detail
