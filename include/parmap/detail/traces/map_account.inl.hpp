// SPDX-License-Identifier: MIT
// The bodies of map_account.hpp.
#pragma once

#include <parmap/detail/results/failure_causes.hpp>
#include <parmap/detail/traces/map_account.hpp>

#include <algorithm>
#include <bit>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE map_account::map_account() { slowest_.reserve(most_slowest + 1); }

// Where bins begin, in ns. Built once, as std::log10 takes as long as the rest of a short task's account.
PARMAP_INLINE const std::array<std::int64_t, map_account::bins>& begins_of_bins() noexcept {
  static const auto begins = [] {
    // 10^(k / 10), rounded up.
    constexpr std::array<double, map_account::parts> of_decade{1.0,
                                                               1.2589254117941673,
                                                               1.5848931924611136,
                                                               1.9952623149688795,
                                                               2.51188643150958,
                                                               3.1622776601683795,
                                                               3.9810717055349722,
                                                               5.011872336272722,
                                                               6.309573444801933,
                                                               7.943282347242816};
    std::array<std::int64_t, map_account::bins> all{};
    double decade = 1;
    for (std::size_t k = 0; k < all.size(); ++k) {
      all[k] = static_cast<std::int64_t>(decade * of_decade[k % map_account::parts]);
      if (static_cast<double>(all[k]) < decade * of_decade[k % map_account::parts]) ++all[k];
      if (k % map_account::parts == map_account::parts - 1) decade *= 10;
    }
    return all;
  }();
  return begins;
}

PARMAP_INLINE std::size_t map_account::bin_of(std::chrono::nanoseconds took) noexcept {
  const auto& begins = begins_of_bins();
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 1));
  // log10 of a power of two is near: some steps lead to the bin.
  std::size_t k = std::min<std::size_t>(static_cast<std::size_t>(63 - std::countl_zero(ns)) * 3, bins - 1);
  while (k + 1 < bins && begins[k + 1] <= static_cast<std::int64_t>(ns)) ++k;
  return k;
}

PARMAP_INLINE void map_account::add_slow(const attempt& it, std::uint64_t index, bool failed) {
  const auto place = std::ranges::find_if(slowest_, [&](const slow_task& other) { return other.took < it.took; });
  slowest_.insert(place, {index, it.number, it.took, failed, {}, false});  // within what was reserved
  if (slowest_.size() > most_slowest) slowest_.pop_back();
  if (slowest_.size() == most_slowest) least_slow_ = slowest_.back().took;
}

PARMAP_INLINE void map_account::add_failure(const failure& why, std::uint64_t index) {
  ++failed_;
  std::string key = key_of_cause(why);
  if (const auto found = causes_.find(key); found != causes_.end()) {
    cause& known = found->second;
    ++known.count;
    known.differs = known.differs || known.first.message != why.message;
  } else if (causes_.size() < most_causes) {
    failure first = why;
    first.index = index;
    first.exception = nullptr;  // it would keep alive what it refers to
    causes_.emplace(std::move(key), cause{std::move(first), 1, false, false});
    ++without_inputs_;
  } else {
    ++of_other_causes_;
  }
}

PARMAP_INLINE std::vector<const map_account::cause*> map_account::causes() const {
  std::vector<const cause*> all;
  all.reserve(causes_.size());
  for (const auto& [key, each] : causes_) all.push_back(&each);
  std::ranges::sort(all, [](const cause* a, const cause* b) {
    return a->count != b->count ? a->count > b->count : a->first.index < b->first.index;
  });
  return all;
}

PARMAP_INLINE std::vector<map_account::cause*> map_account::without_inputs() {
  std::vector<cause*> all;
  for (auto& [key, each] : causes_)
    if (!each.has_inputs) all.push_back(&each);
  return all;
}

}  // namespace parmap::inline PARMAP_ABI::detail
