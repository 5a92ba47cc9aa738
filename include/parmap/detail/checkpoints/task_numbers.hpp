// SPDX-License-Identifier: MIT
// task_numbers: the number that each combination of axis elements has in a store, for ever, while the axes grow.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Consecutive positions on one axis.
struct position_range {
  std::uint64_t first{};
  std::uint64_t size{};

  [[nodiscard]] bool contains(std::uint64_t position) const noexcept { return position - first < size; }
  friend bool operator==(const position_range&, const position_range&) = default;
};

// These positions, all different, as ranges.
std::vector<position_range> ranges_of(std::vector<std::uint64_t> positions);

// The combinations of consecutive positions on every axis. They have the consecutive numbers from `first` on, the last
// axis fastest.
struct extent {
  std::uint64_t first{};
  std::vector<position_range> axes{};

  // The number of combinations.
  [[nodiscard]] std::uint64_t size() const noexcept;
  friend bool operator==(const extent&, const extent&) = default;
};

// A number is given once and never again: an axis that grows adds extents. So what is stored under a number, and the
// random stream that the number names, belong to one combination for ever.
class task_numbers {
 public:
  // `known`: disjoint, by first number. Throws std::invalid_argument if they are not in order.
  explicit task_numbers(std::vector<extent> known = {});

  // Gives numbers to the combinations of these positions (of each axis: disjoint, ascending) that have none. Returns
  // their extents. A first call with positions 0, 1, 2, ... on every axis gives the numbers in the order of the tasks.
  // Throws std::length_error beyond 2^63 numbers. O(extents and pieces of the axes).
  std::vector<extent> add(std::span<const std::vector<position_range>> wanted);
  // The same of positions that are all different, in any order.
  std::vector<extent> add(std::span<const std::vector<std::uint64_t>> positions);

  // The number of a combination; none if it has none. O(extents).
  [[nodiscard]] std::optional<std::uint64_t> number(std::span<const std::uint64_t> positions) const noexcept;
  // Sets the positions of a number; false if nobody has it. O(log extents).
  [[nodiscard]] bool positions(std::uint64_t number, std::span<std::uint64_t> to) const noexcept;

  [[nodiscard]] const std::vector<extent>& extents() const noexcept { return extents_; }
  // One more than the greatest number.
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }

 private:
  std::vector<extent> extents_;
  std::uint64_t end_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/task_numbers.inl.hpp>
