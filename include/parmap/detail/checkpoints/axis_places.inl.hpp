// SPDX-License-Identifier: MIT
// The bodies of axis_places.hpp.
#pragma once

#include <parmap/detail/checkpoints/axis_places.hpp>
#include <parmap/detail/checkpoints/near_misses.hpp>
#include <parmap/detail/encoding/checksum.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

inline std::uint64_t checksum_of(const std::string& bytes) noexcept {
  return checksum(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), 0);
}

inline std::string in_words(const stored_value& it) {
  switch (it.format) {
    case value_format::nothing: return "none";
    case value_format::integer: return std::to_string(it.integer);
    case value_format::boolean: return it.integer != 0 ? "true" : "false";
    case value_format::real: {
      std::array<char, 64> digits{};
      return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), it.real).ptr};
    }
    case value_format::text:
    case value_format::json:
    case value_format::dataclass: return it.bytes;
    case value_format::none: return "None";
    default: return "bytes with the checksum " + std::to_string(checksum_of(it.bytes));
  }
}

inline std::string type_in_words(const stored_value& it) {
  switch (it.format) {
    case value_format::integer:
    case value_format::natural: return "integers";
    case value_format::real: return "real numbers";
    case value_format::boolean: return "booleans";
    case value_format::text:
    case value_format::bytes: return "texts";
    default: return "of another type";
  }
}

inline void append_cell(std::string& to, const stored_value& it) {
  const auto add = [&to](std::uint64_t x) {
    std::array<char, sizeof x> bytes{};
    for (std::size_t b = 0; b < bytes.size(); ++b) bytes[b] = static_cast<char>(x >> 8 * b & 0xff);
    to.append(bytes.data(), bytes.size());
  };
  to += static_cast<char>(it.format);
  switch (it.format) {
    case value_format::nothing: return add(0);
    case value_format::integer:
    case value_format::boolean: return add(sizeof it.integer), add(static_cast<std::uint64_t>(it.integer));
    case value_format::real: return add(sizeof it.real), add(std::bit_cast<std::uint64_t>(it.real));
    default: add(it.bytes.size()); to += it.bytes;
  }
}

inline axis_places::axis_places(database& file, std::int64_t version, const axis_entry& entry, const sweep_axis& axis,
                                std::vector<std::string>& notes)
    : size_(axis.size),
      hashed_(entry.hashed) {
  const std::string table = checkpoint_schema::axis(version, entry.number);
  if (hashed_) compare_blocks(file, table, axis);
  else match(file, table, entry.names.size(), axis, notes);
}

// Elements that are equal are told apart by their order: the second one here is the second one there.
inline void axis_places::match(database& file, const std::string& table, std::size_t columns, const sweep_axis& axis,
                               std::vector<std::string>& notes) {
  std::unordered_map<std::string, std::vector<std::uint64_t>> known;  // positions, the last one first
  std::uint64_t stored = 0;
  near_misses near;
  std::vector<stored_value> first_there;
  std::string key;
  {
    statement all = file.prepare("SELECT * FROM " + table + " ORDER BY position DESC");
    std::vector<stored_value> cells(columns);
    while (all.step()) {
      key.clear();
      for (std::size_t c = 0; c < columns; ++c) {
        cells[c] =
            all.value(static_cast<value_format>(all.integer(static_cast<int>(2 * c + 1))), static_cast<int>(2 * c + 2));
        append_cell(key, cells[c]);
      }
      const auto position = static_cast<std::uint64_t>(all.integer(0));
      known[key].push_back(position);
      stored = std::max(stored, position + 1);
      near.add_stored(cells, position);
      if (position == 0) first_there = cells;
    }
  }
  const std::uint64_t before = stored;
  std::string places = "?1";
  for (std::size_t c = 0; c < 2 * columns; ++c) places += ", ?" + std::to_string(c + 2);
  statement add = file.prepare("INSERT INTO " + table + " VALUES(" + places + ")");
  positions_.reserve(axis.size);
  cell_list own;
  for (std::uint64_t i = 0; i < axis.size; ++i) {
    own.clear();
    axis.add_cells(axis.space, i, own);
    const std::vector<stored_value>& cells = own.all();
    key.clear();
    for (const stored_value& each : cells) append_cell(key, each);
    if (const auto found = known.find(key); found != known.end() && !found->second.empty()) {
      positions_.push_back(found->second.back());
      found->second.pop_back();
      continue;
    }
    add.bind(1, static_cast<std::int64_t>(stored));
    for (std::size_t c = 0; c < columns; ++c) {
      add.bind(static_cast<int>(2 * c + 2), static_cast<std::int64_t>(cells[c].format));
      add.bind(static_cast<int>(2 * c + 3), cells[c]);
    }
    add.run();
    if (before > 0) near.add_new(cells);
    positions_.push_back(stored++);
  }
  indices_.assign(stored, nowhere);
  for (std::uint64_t i = 0; i < axis.size; ++i) indices_[positions_[i]] = i;
  const auto is_here = [this](std::uint64_t position) { return indices_[position] != nowhere; };
  if (std::string told = near.in_words(is_here, axis.names); !told.empty())
    notes.push_back("parmap: " + file.path() + ": " + told);
  if (first_there.empty() || axis.size == 0 || std::ranges::any_of(positions_, [&](auto at) { return at < before; }))
    return;
  own.clear();
  axis.add_cells(axis.space, 0, own);
  for (std::size_t c = 0; c < columns; ++c)
    if (const std::string there = type_in_words(first_there[c]), here = type_in_words(own.all()[c]); there != here)
      notes.push_back("parmap: " + file.path() + ": axis " + axis.names[c] +
                      ": no element is in the file: there they are " + there + ", such as " + in_words(first_there[c]) +
                      ", and here they are " + here + ", such as " + in_words(own.all()[c]));
}

// Compares whole blocks; what has none yet gets blocks. Then the elements need not be stored, nor looked up.
inline void axis_places::compare_blocks(database& file, const std::string& table, const sweep_axis& axis) {
  constexpr std::uint64_t block = 4096;  // elements
  cell_list own;
  std::string bytes;
  // `as_numpy`: as Python has the elements of an array of double or int64.
  const auto hash_of = [&](std::uint64_t b, std::uint64_t e, bool as_numpy = false) {
    bytes.clear();
    for (std::uint64_t i = b; i < e; ++i) {
      own.clear();
      axis.add_cells(axis.space, i, own);
      for (const stored_value& each : own.all()) {
        const std::size_t at = bytes.size();
        append_cell(bytes, each);
        if (as_numpy && each.format == value_format::integer) bytes[at] = static_cast<char>(numpy_int64);
        if (as_numpy && each.format == value_format::real) bytes[at] = static_cast<char>(numpy_float64);
      }
    }
    return static_cast<std::int64_t>(checksum_of(bytes));
  };
  const auto refuse = [&](const std::string& why) {
    throw std::invalid_argument("parmap: " + file.path() + ": axis " + joined_names(axis.names) + ": " + why +
                                "; an axis of more than 100 000 elements may only grow at its end");
  };
  std::uint64_t known = 0;
  statement all = file.prepare("SELECT first, size, hash FROM " + table + " ORDER BY first");
  while (all.step()) {
    const auto first = static_cast<std::uint64_t>(all.integer(0));
    const auto size = static_cast<std::uint64_t>(all.integer(1));
    if (first != known || size == 0)
      throw store_failed("parmap: " + file.path() + ": it is damaged: blocks are missing");
    known += size;
    if (first >= axis.size) continue;
    // A part of a block cannot be compared.
    if (known > axis.size)
      refuse("its " + std::to_string(axis.size) + " elements end in the middle of a stored block; let them be " +
             std::to_string(first) + " or " + std::to_string(known));
    if (hash_of(first, known) != all.integer(2) && hash_of(first, known, true) != all.integer(2))
      refuse("its elements " + std::to_string(first) + " to " + std::to_string(known - 1) +
             " there are others than here");
  }
  statement add = file.prepare("INSERT INTO " + table + " VALUES(?1, ?2, ?3)");
  for (; known < axis.size; known = std::min(known + block, axis.size)) {
    const std::uint64_t end = std::min(known + block, axis.size);
    add.bind(1, static_cast<std::int64_t>(known));
    add.bind(2, static_cast<std::int64_t>(end - known));
    add.bind(3, hash_of(known, end));
    add.run();
  }
}

inline std::vector<position_range> axis_places::ranges() const {
  if (hashed_) return size_ > 0 ? std::vector{position_range{0, size_}} : std::vector<position_range>();
  return ranges_of(positions_);
}

}  // namespace parmap::inline PARMAP_ABI::detail
