// SPDX-License-Identifier: MIT
// axis_places: where the elements of one axis of a call stand on that axis in the file.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_schema.hpp>
#include <parmap/detail/checkpoints/database.hpp>
#include <parmap/detail/checkpoints/task_numbers.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/stores/store_run.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

inline constexpr std::uint64_t nowhere = std::numeric_limits<std::uint64_t>::max();

// A value as a user would read it.
std::string in_words(const stored_value& it);
// Appends format, size and bytes of a cell. Equal bytes are equal elements, bit for bit.
void append_cell(std::string& to, const stored_value& it);

// The positions of the elements, which never change: that at which the file has first seen an element; on a hashed
// axis, the index.
class axis_places {
 public:
  // Compares the elements with those of the file, and adds those that are new. Adds a line to the notes if elements
  // differ from stored ones by rounding only. Throws std::invalid_argument if a hashed axis has other elements.
  axis_places(database& file, std::int64_t version, const axis_entry& entry, const sweep_axis& axis,
              std::vector<std::string>& notes);

  // The number of elements in the call.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t position(std::uint64_t index) const noexcept {
    return hashed_ ? index : positions_[index];
  }
  // The other way; `nowhere` if the call has no such element.
  [[nodiscard]] std::uint64_t index(std::uint64_t position) const noexcept {
    if (hashed_) return position < size_ ? position : nowhere;
    return position < indices_.size() ? indices_[position] : nowhere;
  }
  // All positions.
  [[nodiscard]] std::vector<position_range> ranges() const;

 private:
  void match(database& file, const std::string& table, std::size_t columns, const sweep_axis& axis,
             std::vector<std::string>& notes);
  void compare_blocks(database& file, const std::string& table, const sweep_axis& axis);

  std::uint64_t size_;
  bool hashed_;
  std::vector<std::uint64_t> positions_;  // of a hashed axis both are empty
  std::vector<std::uint64_t> indices_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#include <parmap/detail/checkpoints/axis_places.inl.hpp>
