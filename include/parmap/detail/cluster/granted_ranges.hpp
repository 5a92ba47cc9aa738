// SPDX-License-Identifier: MIT
// granted_ranges: the ranges of a map's tasks that an agent was given, one after the other, as tasks 0, 1, 2, ... of
// the stream in which it runs them.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/space/renumbering.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Consecutive tasks of a map, with consecutive random streams.
struct task_run {
  std::uint64_t index{};
  std::uint64_t stream{};
  std::uint64_t count{};
};

// Workers that were forked before a range is added see it: the table is in shared memory, which they can only read. A
// range is added before any of its tasks is allowed to begin.
class granted_ranges final : public renumbering {
 public:
  static constexpr std::uint64_t most = std::uint64_t{1} << 26;

  // Throws std::system_error if there is no memory for so many ranges.
  PARMAP_API explicit granted_ranges(std::uint64_t ranges);

  // By the agent. Throws std::length_error if there are too many.
  PARMAP_API void add(const task_run& more);
  // The number of tasks in all ranges.
  [[nodiscard]] std::uint64_t granted() const noexcept { return granted_; }
  // As they were granted, merged where one follows the other.
  [[nodiscard]] PARMAP_API std::vector<std::pair<std::uint64_t, std::uint64_t>> all() const;

  // Processes that are forked while such an object lives cannot write to the table. Throws std::system_error.
  class read_only {
   public:
    PARMAP_API explicit read_only(const granted_ranges& of);
    read_only(const read_only&) = delete;
    read_only& operator=(const read_only&) = delete;
    PARMAP_API ~read_only();

   private:
    const granted_ranges& of_;
  };

  [[nodiscard]] std::uint64_t size() const noexcept override { return ~std::uint64_t{0}; }
  [[nodiscard]] std::uint64_t index(std::uint64_t k) const noexcept override {
    const range& found = range_of(k);
    return found.index + (k - found.first);
  }
  [[nodiscard]] std::uint64_t stream(std::uint64_t k) const noexcept override {
    const range& found = range_of(k);
    return found.stream + (k - found.first);
  }

 private:
  struct range {
    std::uint64_t first;   // in the stream that the agent runs
    std::uint64_t index;   // in the map
    std::uint64_t stream;  // of random numbers
  };

  [[nodiscard]] std::atomic<std::uint64_t>& count() const noexcept {
    return *static_cast<std::atomic<std::uint64_t>*>(memory_.data());
  }
  [[nodiscard]] range* table() const noexcept { return static_cast<range*>(memory_.at(sizeof(range))); }
  [[nodiscard]] const range& range_of(std::uint64_t k) const noexcept {
    std::size_t at = hint_.load(std::memory_order_relaxed);
    if (!holds(at, k)) {
      at = find(k);
      hint_.store(at, std::memory_order_relaxed);
    }
    return table()[at];
  }
  [[nodiscard]] bool holds(std::size_t at, std::uint64_t k) const noexcept {
    return table()[at].first <= k && (at + 1 == count().load(std::memory_order_acquire) || k < table()[at + 1].first);
  }
  [[nodiscard]] PARMAP_API std::size_t find(std::uint64_t k) const noexcept;

  std::uint64_t most_;
  shared_memory memory_;
  std::uint64_t granted_{};
  task_run next_{};                           // what would continue the last range
  mutable std::atomic<std::size_t> hint_{0};  // where the last one was found
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/cluster/granted_ranges.inl.hpp>
#endif
