// SPDX-License-Identifier: MIT
// stored_order: when the stored outcomes of a stream come among those of the tasks that run.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/stores/task_choice.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Without order they come first, while tasks run already. In order each comes as soon as the window has its index, so
// that no more outcomes are held than fit into the window.
class stored_order {
 public:
  stored_order(const open_store& store, bool ordered) noexcept
      : choice_(&store.choice()),
        ordered_(ordered),
        next_(choice_->next_left_out(0)) {}

  // The stream may have outcomes of [0, limit), or without order that many. Returns how many tasks may begin.
  [[nodiscard]] std::uint64_t allow(std::uint64_t limit) noexcept {
    limit_ = limit;
    return ordered_ ? choice_->below(limit) : limit - std::min(limit, taken_);
  }
  // The index of a stored outcome whose turn it is.
  [[nodiscard]] std::optional<std::uint64_t> next() noexcept {
    if (is_at_end() || (ordered_ && next_ >= limit_)) return std::nullopt;
    const std::uint64_t index = next_;
    next_ = choice_->next_left_out(index + 1);
    ++taken_;
    return index;
  }
  [[nodiscard]] bool is_at_end() const noexcept { return next_ == choice_->of(); }

 private:
  const task_choice* choice_;
  bool ordered_;
  std::uint64_t next_;
  std::uint64_t taken_{};
  std::uint64_t limit_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
