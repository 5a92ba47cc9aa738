// SPDX-License-Identifier: MIT
// The bodies of granted_ranges.hpp.
#pragma once

#include <parmap/detail/cluster/granted_ranges.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE granted_ranges::granted_ranges(std::uint64_t ranges)
    : most_(std::clamp<std::uint64_t>(ranges, 1, most)),
      memory_((most_ + 2) * sizeof(range)) {
  ::new (memory_.data()) std::atomic<std::uint64_t>(0);
}

PARMAP_INLINE void granted_ranges::add(const task_run& more) {
  if (more.count == 0) return;
  const std::uint64_t n = count().load(std::memory_order_relaxed);
  if (n == 0 || more.index != next_.index || more.stream != next_.stream) {
    if (n == most_)
      throw std::length_error("parmap: an agent was given more than " + std::to_string(most_) + " ranges");
    table()[n] = {granted_, more.index, more.stream};
    count().store(n + 1, std::memory_order_release);
  }
  granted_ += more.count;
  next_ = {more.index + more.count, more.stream + more.count, 0};
}

PARMAP_INLINE std::vector<std::pair<std::uint64_t, std::uint64_t>> granted_ranges::all() const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  const std::uint64_t n = count().load(std::memory_order_relaxed);
  for (std::uint64_t at = 0; at < n; ++at) {
    const std::uint64_t end = at + 1 < n ? table()[at + 1].first : granted_;
    ranges.emplace_back(table()[at].index, table()[at].index + (end - table()[at].first));
  }
  return ranges;
}

PARMAP_INLINE std::size_t granted_ranges::find(std::uint64_t k) const noexcept {
  const range* const first = table();
  const range* const last = first + count().load(std::memory_order_acquire);
  const range* const after = std::partition_point(first, last, [k](const range& it) { return it.first <= k; });
  return after == first ? 0 : static_cast<std::size_t>(after - first - 1);
}

PARMAP_INLINE granted_ranges::read_only::read_only(const granted_ranges& of) : of_(of) {
  if (::mprotect(of.memory_.data(), of.memory_.size(), PROT_READ) != 0)
    throw std::system_error(errno, std::generic_category(),
                            "parmap: cannot make the table of an agent's ranges read-only");
}
// The memory was writable before. If that were refused now, the next add() would fault, and no number would be wrong.
PARMAP_INLINE granted_ranges::read_only::~read_only() {
  static_cast<void>(::mprotect(of_.memory_.data(), of_.memory_.size(), PROT_READ | PROT_WRITE));
}

}  // namespace parmap::inline PARMAP_ABI::detail
