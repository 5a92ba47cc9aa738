// SPDX-License-Identifier: MIT
// The bodies of store_run.hpp.
#pragma once

#include <parmap/detail/stores/store_run.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void cell_list::add(stored_value&& it) { all_.push_back(std::move(it)); }

PARMAP_INLINE sweep::sweep(std::string_view type, const std::optional<std::uint64_t>& chosen_seed)
    : result(type),
      seed(chosen_seed) {}
PARMAP_INLINE sweep::sweep(sweep&&) noexcept = default;
PARMAP_INLINE sweep::~sweep() = default;

PARMAP_INLINE void sweep::add_class(std::string_view name, bool holds_something) {
  // A lambda's name counts the lambdas before it.
  const bool is_lambda =
      name.find("<lambda") != std::string_view::npos || name.find("(lambda at ") != std::string_view::npos;
  if (!is_lambda) function = name;
  if (holds_something) unknown.emplace_back("the members or captures of f");
}
PARMAP_INLINE void sweep::add_fixed(stored_value&& it) {
  ++fixed_;
  fixed.push_back(std::move(it));
}
PARMAP_INLINE void sweep::add_unknown_fixed() { unknown.push_back("fixed argument " + std::to_string(++fixed_)); }
PARMAP_INLINE void sweep::add_axis(std::uint64_t size, const void* space,
                                   void (*add_cells)(const void* space, std::uint64_t i, cell_list& to)) {
  axes.push_back({.size = size, .space = space, .add_cells = add_cells});
}
PARMAP_INLINE void sweep::add_name(std::string_view name) {
  ++names_;
  std::string own(name);
  if (own.empty()) (own += 'x') += std::to_string(names_);
  axes.back().names.push_back(std::move(own));
}
PARMAP_INLINE void sweep::set_fold(std::uint64_t tasks_of_block, stored_value&& begins_as) {
  block = tasks_of_block;
  identity = std::move(begins_as);
}

}  // namespace parmap::inline PARMAP_ABI::detail
