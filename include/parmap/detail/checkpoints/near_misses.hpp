// SPDX-License-Identifier: MIT
// near_misses: new elements of an axis that differ from stored ones by rounding only, which is rarely meant.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

inline std::string joined_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& each : names) text += (text.empty() ? "" : ",") + each;
  return text;
}

class near_misses {
 public:
  void add_stored(const std::vector<stored_value>& cells, std::uint64_t position) {
    if (has_real(cells)) stored_.push_back({row_of(cells), position});
  }
  void add_new(const std::vector<stored_value>& cells) {
    if (!stored_.empty() && has_real(cells)) new_.push_back(row_of(cells));
  }
  // What the user should know; empty if there is none. `is_here`: whether the call has a stored position, too; then two
  // neighbours are meant.
  template <class IsHere>
  [[nodiscard]] std::string in_words(const IsHere& is_here, const std::vector<std::string>& names) {
    std::ranges::sort(stored_, {}, [](const entry& each) { return each.cells[first_real(each.cells)].place; });
    std::size_t count = 0;
    std::string told;
    for (const row& each : new_) {
      const std::int64_t place = each[first_real(each)].place;
      const std::int64_t least = place < std::numeric_limits<std::int64_t>::min() + close ? place : place - close;
      auto at = std::ranges::lower_bound(stored_, least, {},
                                         [](const entry& it) { return it.cells[first_real(it.cells)].place; });
      for (; at != stored_.end() && distance(at->cells[first_real(at->cells)].place, place) <= close; ++at) {
        if (is_here(at->position) || !is_near(at->cells, each)) continue;
        if (++count == 1) told = difference(at->cells, each);
        break;
      }
    }
    if (count == 0) return told;
    std::string text = "axis " + joined_names(names) + ": " + told;
    if (count > 1) text += ", and " + std::to_string(count - 1) + " more like that";
    return text + ": these tasks are new ones";
  }

 private:
  static constexpr std::int64_t close = 4;  // units in the last place

  // A real number, and its place among all doubles; of another cell, its bytes.
  struct cell {
    bool real;
    double value;
    std::int64_t place;
    stored_value other;
  };
  using row = std::vector<cell>;
  struct entry {
    row cells;
    std::uint64_t position;
  };

  static bool has_real(const std::vector<stored_value>& cells) { return std::ranges::any_of(cells, is_finite); }
  static bool is_finite(const stored_value& it) { return it.format == value_format::real && std::isfinite(it.real); }
  static row row_of(const std::vector<stored_value>& cells) {
    row all;
    for (const stored_value& each : cells) {
      const auto bits = std::bit_cast<std::int64_t>(each.real);
      const std::int64_t place = bits < 0 ? std::numeric_limits<std::int64_t>::min() - bits : bits;
      if (is_finite(each)) all.push_back({true, each.real, place, {}});
      else all.push_back({false, 0, 0, each});
    }
    return all;
  }
  static std::size_t first_real(const row& cells) {
    return static_cast<std::size_t>(std::ranges::find(cells, true, &cell::real) - cells.begin());
  }
  static std::int64_t distance(std::int64_t a, std::int64_t b) {
    std::int64_t apart = 0;
    if (__builtin_sub_overflow(std::max(a, b), std::min(a, b), &apart)) return std::numeric_limits<std::int64_t>::max();
    return apart;
  }
  static bool is_near(const row& a, const row& b) {
    for (std::size_t c = 0; c < a.size(); ++c)
      if (a[c].real != b[c].real || distance(a[c].place, b[c].place) > close || !(a[c].other == b[c].other))
        return false;
    return true;
  }
  static std::string difference(const row& there, const row& here) {
    const auto text = [](double x) {
      std::array<char, 64> digits{};
      return std::string(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), x).ptr);
    };
    for (std::size_t c = 0; c < there.size(); ++c) {
      const std::int64_t apart = distance(there[c].place, here[c].place);
      if (apart > 0 || (there[c].real && std::signbit(there[c].value) != std::signbit(here[c].value)))
        return text(here[c].value) + " is new; the file has " + text(there[c].value) + ", " + std::to_string(apart) +
               " ulp away";
    }
    return {};
  }

  std::vector<entry> stored_;
  std::vector<row> new_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
