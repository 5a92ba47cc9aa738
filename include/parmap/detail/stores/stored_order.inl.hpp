// SPDX-License-Identifier: MIT
// The bodies of stored_order.hpp.
#pragma once

#include <parmap/detail/stores/stored_order.hpp>
#include <parmap/detail/stores/task_choice.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE stored_order::stored_order(const open_store& store, bool ordered) noexcept
    : choice_(&store.choice()),
      ordered_(ordered),
      next_(choice_->next_left_out(0)) {}

PARMAP_INLINE std::uint64_t stored_order::allow(std::uint64_t limit) noexcept {
  limit_ = limit;
  return ordered_ ? choice_->below(limit) : limit - std::min(limit, taken_);
}

PARMAP_INLINE std::optional<std::uint64_t> stored_order::next() noexcept {
  if (is_at_end() || (ordered_ && next_ >= limit_)) return std::nullopt;
  const std::uint64_t index = next_;
  next_ = choice_->next_left_out(index + 1);
  ++taken_;
  return index;
}
PARMAP_INLINE bool stored_order::is_at_end() const noexcept { return next_ == choice_->of(); }

}  // namespace parmap::inline PARMAP_ABI::detail
