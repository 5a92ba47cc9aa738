// SPDX-License-Identifier: MIT
// The bodies of checkpoint_run.hpp that match the axes of a call with those of the file.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_run.hpp>
#include <parmap/store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

inline std::string in_words(const std::vector<sweep_axis>& axes) {
  std::string text;
  for (const sweep_axis& each : axes) text += (text.empty() ? "" : " x ") + joined_names(each.names);
  return text;
}
inline std::string in_words(std::vector<axis_entry> axes) {
  std::ranges::sort(axes, {}, &axis_entry::place);
  std::string text;
  for (const axis_entry& each : axes) text += (text.empty() ? "" : " x ") + joined_names(each.names);
  return text;
}

// Axes are the same if they have the same names.
inline void checkpoint_run::place_axes(const sweep& what) {
  std::vector<axis_entry> all = checkpoint_schema::axes(file_, version_);
  const std::string there = in_words(all);
  std::vector<std::size_t> order(all.size(), what.axes.size());
  std::vector<std::size_t> added;
  for (std::size_t place = 0; place < what.axes.size(); ++place) {
    const auto found = std::ranges::find(all, what.axes[place].names, &axis_entry::names);
    if (found == all.end()) {
      added.push_back(place);
      continue;
    }
    order[static_cast<std::size_t>(found - all.begin())] = place;
    found->place = place;
  }
  if (std::ranges::find(order, what.axes.size()) != order.end()) refuse("the axes", there, in_words(what.axes));
  for (const auto& [name, value] : asked_.existing)
    if (std::ranges::none_of(
            what.axes, [&](const sweep_axis& each) { return std::ranges::find(each.names, name) != each.names.end(); }))
      throw std::invalid_argument("parmap: " + asked_.path + ": the option existing has a value for " + name +
                                  ", but the axes are " + in_words(what.axes));
  for (const std::size_t place : added) order.push_back(add_axis(place, what.axes[place], all));
  order_ = std::move(order);
  if (!is_new_) checkpoint_schema::set_places(file_, version_, all);
  std::vector<std::optional<axis_places>> placed(what.axes.size());
  for (std::size_t k = 0; k < all.size(); ++k)
    placed[order_[k]].emplace(file_, version_, all[k], what.axes[order_[k]], notes_);
  for (std::optional<axis_places>& each : placed) places_.push_back(std::move(*each));
  if (!added.empty()) checkpoint_schema::make_view(file_, version_);
}

// An axis that the file has not: old results have one element of it.
inline std::size_t checkpoint_run::add_axis(std::size_t place, const sweep_axis& what, std::vector<axis_entry>& all) {
  cell_list own;
  if (what.size > 0) what.add_cells(what.space, 0, own);
  std::vector<stored_value> cells;
  for (std::size_t c = 0; c < what.names.size(); ++c) {
    if (!asked_.existing.contains(what.names[c]))
      throw std::invalid_argument(
          "parmap: " + asked_.path + " has the results of another sweep: the axes there are " + in_words(all) +
          ", and here the axis " + joined_names(what.names) +
          " is new; if the stored results are those of one value of it, name that: parmap::checkpoint(path, {.existing "
          "= {{\"" +
          what.names[c] + "\", value}}}); else take another file, or begin anew in this one by the option version");
    cells.push_back(existing_value(what.names[c], what.size > 0 ? &own.all()[c] : nullptr));
  }
  all.push_back(checkpoint_schema::add_axis(file_, version_, place, what));
  if (all.back().hashed) {
    std::string first;
    std::string given;
    for (std::size_t c = 0; c < cells.size(); ++c) append_cell(first, own.all()[c]), append_cell(given, cells[c]);
    if (first != given)
      throw std::invalid_argument("parmap: " + asked_.path + ": axis " + joined_names(what.names) +
                                  " has more than 100 000 elements, so the value that the option existing has for it "
                                  "must be its first element");
    return place;
  }
  std::string marks = "0";
  for (std::size_t c = 0; c < 2 * cells.size(); ++c) marks += ", ?" + std::to_string(c + 1);
  statement add =
      file_.prepare("INSERT INTO " + checkpoint_schema::axis(version_, all.back().number) + " VALUES(" + marks + ")");
  for (std::size_t c = 0; c < cells.size(); ++c) {
    add.bind(static_cast<int>(2 * c + 1), static_cast<std::int64_t>(cells[c].format));
    add.bind(static_cast<int>(2 * c + 2), cells[c]);
  }
  add.run();
  return place;
}

// As the axis would have it: 1 is 1.0 on an axis of real numbers.
inline stored_value checkpoint_run::existing_value(const std::string& name, const stored_value* like) const {
  stored_value it = asked_.existing.at(name);
  if (like == nullptr || it.format == like->format) return it;
  const auto is_integer = [](const stored_value& x) {
    return x.format == value_format::integer || x.format == value_format::natural;
  };
  const auto is_text = [](const stored_value& x) {
    return x.format == value_format::text || x.format == value_format::bytes;
  };
  constexpr std::int64_t most = std::int64_t{1} << 53;  // beyond it not every integer is a double
  if (it.format == value_format::integer && like->format == value_format::real && it.integer >= -most &&
      it.integer <= most)
    return stored_real_of(static_cast<double>(it.integer));
  if ((is_integer(it) && is_integer(*like)) || (is_text(it) && is_text(*like))) return it;
  throw std::invalid_argument("parmap: " + asked_.path + ": the option existing has " + in_words(it) + " for " + name +
                              ", but the elements of that axis are of another type, such as " + in_words(*like));
}

inline void checkpoint_run::read_extents() {
  std::string columns = "first";
  for (std::size_t k = 1; k <= order_.size(); ++k)
    columns += sql(", start_", std::to_string(k), ", size_", std::to_string(k));
  statement all =
      file_.prepare(sql("SELECT ", columns, " FROM ", checkpoint_schema::extents(version_), " ORDER BY first"));
  std::vector<extent> known;
  while (all.step()) {
    extent& it = known.emplace_back();
    it.first = static_cast<std::uint64_t>(all.integer(0));
    for (std::size_t k = 0; k < order_.size(); ++k)
      it.axes.push_back({static_cast<std::uint64_t>(all.integer(static_cast<int>(2 * k + 1))),
                         static_cast<std::uint64_t>(all.integer(static_cast<int>(2 * k + 2)))});
  }
  try {
    numbers_ = task_numbers(std::move(known));
  } catch (const std::invalid_argument&) {
    throw store_failed("parmap: " + asked_.path + ": it is damaged: its extents are not in order");
  }
}

inline void checkpoint_run::add_extents() {
  std::vector<std::vector<position_range>> wanted;
  wanted.reserve(order_.size());
  for (const std::size_t place : order_) wanted.push_back(places_[place].ranges());
  std::string columns = "first, tasks";
  for (std::size_t k = 1; k <= order_.size(); ++k)
    columns += sql(", start_", std::to_string(k), ", size_", std::to_string(k));
  for (const extent& each : numbers_.add(wanted)) {
    std::string values = std::to_string(each.first) + ", " + std::to_string(each.size());
    for (const position_range& range : each.axes)
      values += ", " + std::to_string(range.first) + ", " + std::to_string(range.size);
    file_.execute(sql("INSERT INTO ", checkpoint_schema::extents(version_), "(", columns, ") VALUES(", values, ")"));
  }
}

inline std::uint64_t checkpoint_run::number(std::uint64_t index) const noexcept {
  std::array<std::uint64_t, most_axes> at{};  // by place
  for (std::size_t k = places_.size(); k-- > 0;) {
    at[k] = places_[k].position(index % places_[k].size());
    index /= places_[k].size();
  }
  std::array<std::uint64_t, most_axes> by_number{};
  for (std::size_t k = 0; k < order_.size(); ++k) by_number[k] = at[order_[k]];
  return numbers_.number(std::span(by_number.data(), order_.size())).value_or(nowhere);  // each task has one
}

// The other way; `nowhere` if it is of another part of the sweep.
inline std::uint64_t checkpoint_run::index_of(std::uint64_t number) const {
  std::array<std::uint64_t, most_axes> by_number{};
  if (!numbers_.positions(number, std::span(by_number.data(), order_.size())))
    throw store_failed("parmap: " + asked_.path + ": it is damaged: a result without its task");
  std::array<std::uint64_t, most_axes> at{};
  for (std::size_t k = 0; k < order_.size(); ++k) at[order_[k]] = by_number[k];
  std::uint64_t index = 0;
  for (std::size_t k = 0; k < places_.size(); ++k) {
    const std::uint64_t own = places_[k].index(at[k]);
    if (own == nowhere) return nowhere;
    index = index * places_[k].size() + own;
  }
  return index;
}

}  // namespace parmap::inline PARMAP_ABI::detail
