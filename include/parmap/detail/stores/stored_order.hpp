// SPDX-License-Identifier: MIT
// stored_order: when the stored outcomes of a stream come among those of the tasks that run.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/stored_map.hpp>

#include <cstdint>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Without order they come first, while tasks run already. In order each comes as soon as the window has its index, so
// that no more outcomes are held than fit into the window.
class stored_order {
 public:
  PARMAP_API stored_order(const open_store& store, bool ordered) noexcept;

  // The stream may have outcomes of [0, limit), or without order that many. Returns how many tasks may begin.
  [[nodiscard]] PARMAP_API std::uint64_t allow(std::uint64_t limit) noexcept;
  // The index of a stored outcome whose turn it is.
  [[nodiscard]] PARMAP_API std::optional<std::uint64_t> next() noexcept;
  [[nodiscard]] PARMAP_API bool is_at_end() const noexcept;

 private:
  const task_choice* choice_;
  bool ordered_;
  std::uint64_t next_;
  std::uint64_t taken_{};
  std::uint64_t limit_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/stores/stored_order.inl.hpp>
#endif
