// SPDX-License-Identifier: MIT
// The bodies of axis_keys.hpp.
#pragma once

#include <parmap/detail/space/axis_keys.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void axis_keys::add_integer(std::int64_t x, kind is) { all_.push_back({is, x, 0, {}}); }
PARMAP_INLINE void axis_keys::add_real(double x) { all_.push_back({kind::real, 0, x, {}}); }
PARMAP_INLINE void axis_keys::add_text(std::string_view x) { all_.push_back({kind::text, 0, 0, std::string(x)}); }

PARMAP_INLINE std::string axis_keys::text_of(const one& it) {
  const auto digits = [](auto x) {
    std::array<char, 32> text{};
    return std::string(text.data(), std::to_chars(text.data(), text.data() + text.size(), x).ptr);
  };
  switch (it.is) {
    case kind::boolean: return it.integer != 0 ? "true" : "false";
    case kind::integer: return digits(it.integer);
    case kind::natural: return digits(static_cast<std::uint64_t>(it.integer));
    case kind::real: return digits(it.real);
    case kind::text: return it.text;
  }
  return {};
}

PARMAP_INLINE void axis_keys::expect_unequal(std::string_view axis) const {
  std::unordered_multimap<std::string, std::size_t> seen;  // by their texts
  for (std::size_t i = 0; i < all_.size(); ++i) {
    const std::string text = text_of(all_[i]);
    for (auto [at, end] = seen.equal_range(text); at != end; ++at)
      if (all_[at->second].is == all_[i].is)
        throw std::invalid_argument("parmap::axis: elements " + std::to_string(at->second) + " and " +
                                    std::to_string(i) + " of " + std::string(axis) + " have the same key, " + text +
                                    "; a key has to tell each element from the others");
    seen.emplace(text, i);
  }
}

PARMAP_INLINE std::shared_ptr<const std::vector<std::string>> axis_keys::texts() const {
  auto made = std::make_shared<std::vector<std::string>>();
  for (const one& each : all_) made->push_back(text_of(each));
  return made;
}

}  // namespace parmap::inline PARMAP_ABI::detail
