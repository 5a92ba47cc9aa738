// SPDX-License-Identifier: MIT
// The bodies of task_numbers.hpp.
#pragma once

#include <parmap/detail/checkpoints/task_numbers.hpp>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <ranges>
#include <stdexcept>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

inline std::uint64_t extent::size() const noexcept {
  std::uint64_t all = 1;
  for (const position_range& each : axes) all *= each.size;
  return all;
}

inline task_numbers::task_numbers(std::vector<extent> known) : extents_(std::move(known)) {
  for (const extent& each : extents_) {
    if (each.first < end_ || each.size() == 0) throw std::invalid_argument("parmap: the extents are not in order");
    end_ = each.first + each.size();
  }
}

// Those combinations of consecutive positions that no extent has. It goes through the axes in order: on each it cuts
// the wanted ranges where an extent that matters there begins or ends.
class uncovered_boxes {
 public:
  explicit uncovered_boxes(std::span<const std::vector<position_range>> wanted) : wanted_(wanted) {}

  std::vector<std::vector<position_range>> find(const std::vector<extent>& known) {
    std::vector<const extent*> all;
    all.reserve(known.size());
    for (const extent& each : known) all.push_back(&each);
    std::vector<position_range> box;
    descend(all, box);
    return std::move(found_);
  }

 private:
  // `known`: the extents that have the box so far.
  void descend(const std::vector<const extent*>& known, std::vector<position_range>& box) {
    const std::size_t axis = box.size();
    if (axis == wanted_.size()) {
      if (known.empty()) add(box);
      return;
    }
    for (const position_range& wanted : wanted_[axis]) {
      for (const position_range& piece : pieces(wanted, known, axis)) {
        std::vector<const extent*> have;
        for (const extent* each : known)
          if (each->axes[axis].contains(piece.first)) have.push_back(each);
        box.push_back(piece);
        descend(have, box);
        box.pop_back();
      }
    }
  }
  static std::vector<position_range> pieces(position_range wanted, const std::vector<const extent*>& known,
                                            std::size_t axis) {
    const std::uint64_t end = wanted.first + wanted.size;
    std::vector<std::uint64_t> cuts{wanted.first, end};
    const auto cut = [&](std::uint64_t at) {
      if (at > wanted.first && at < end) cuts.push_back(at);
    };
    for (const extent* each : known) {
      cut(each->axes[axis].first);
      cut(each->axes[axis].first + each->axes[axis].size);
    }
    std::ranges::sort(cuts);
    const auto same = std::ranges::unique(cuts);
    cuts.erase(same.begin(), same.end());
    std::vector<position_range> all;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) all.push_back({cuts[i], cuts[i + 1] - cuts[i]});
    return all;
  }
  // Joined to an earlier box if the two differ on one axis only, and adjoin there.
  void add(std::vector<position_range> box) {
    for (auto earlier = found_.rbegin(); earlier != found_.rend(); ++earlier) {
      std::size_t differing = 0;
      std::size_t axis = 0;
      for (std::size_t k = 0; k < box.size(); ++k)
        if (!((*earlier)[k] == box[k])) {
          ++differing;
          axis = k;
        }
      if (differing != 1 || (*earlier)[axis].first + (*earlier)[axis].size != box[axis].first) continue;
      box[axis] = {(*earlier)[axis].first, (*earlier)[axis].size + box[axis].size};
      found_.erase(std::next(earlier).base());
      return add(std::move(box));
    }
    found_.push_back(std::move(box));
  }

  std::span<const std::vector<position_range>> wanted_;
  std::vector<std::vector<position_range>> found_;
};

inline std::vector<position_range> ranges_of(std::vector<std::uint64_t> positions) {
  std::ranges::sort(positions);
  std::vector<position_range> ranges;
  for (const std::uint64_t position : positions) {
    if (!ranges.empty() && ranges.back().first + ranges.back().size == position) ++ranges.back().size;
    else ranges.push_back({position, 1});
  }
  return ranges;
}

inline std::vector<extent> task_numbers::add(std::span<const std::vector<std::uint64_t>> positions) {
  std::vector<std::vector<position_range>> wanted;
  wanted.reserve(positions.size());
  for (const std::vector<std::uint64_t>& each : positions) wanted.push_back(ranges_of(each));
  return add(wanted);
}

inline std::vector<extent> task_numbers::add(std::span<const std::vector<position_range>> wanted) {
  std::vector<extent> added;
  for (std::vector<position_range>& box : uncovered_boxes(wanted).find(extents_)) {
    std::uint64_t size = 1;
    for (const position_range& each : box)
      if (__builtin_mul_overflow(size, each.size, &size)) size = std::numeric_limits<std::uint64_t>::max();
    if (size > std::uint64_t{1} << 62 || end_ > (std::uint64_t{1} << 63) - size)
      throw std::length_error("parmap: a store has room for 2^63 tasks");
    added.push_back({end_, std::move(box)});
    end_ += size;
  }
  extents_.insert(extents_.end(), added.begin(), added.end());
  return added;
}

inline std::optional<std::uint64_t> task_numbers::number(std::span<const std::uint64_t> positions) const noexcept {
  const auto in = [&](const extent& each) -> std::optional<std::uint64_t> {
    std::uint64_t at = 0;
    for (std::size_t k = 0; k < positions.size(); ++k) {
      if (!each.axes[k].contains(positions[k])) return std::nullopt;
      at = at * each.axes[k].size + (positions[k] - each.axes[k].first);
    }
    return each.first + at;
  };
  for (const extent& each : extents_)
    if (const auto found = in(each)) return found;
  return std::nullopt;
}

inline bool task_numbers::positions(std::uint64_t number, std::span<std::uint64_t> to) const noexcept {
  const auto behind = std::ranges::upper_bound(extents_, number, {}, &extent::first);
  if (behind == extents_.begin()) return false;
  const extent& found = *std::prev(behind);
  std::uint64_t at = number - found.first;
  if (at >= found.size()) return false;
  for (std::size_t k = found.axes.size(); k-- > 0;) {
    to[k] = found.axes[k].first + at % found.axes[k].size;
    at /= found.axes[k].size;
  }
  return true;
}

}  // namespace parmap::inline PARMAP_ABI::detail
