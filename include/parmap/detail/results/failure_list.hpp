// SPDX-License-Identifier: MIT
// A sorted list of items with an index, in which a run of neighbours that differ only in their index is stored once.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <stdexcept>
#include <utility>
#include <vector>

namespace parmap::detail {

// By index; allocates nothing. A sort by heap, as its code is small: that of std::sort takes a tenth of a second to
// compile in every file with a map.
template <class Item>
void sort_runs(std::vector<std::pair<Item, std::uint64_t>>& items) noexcept {
  const auto before = [](const auto& a, const auto& b) { return a.first.index < b.first.index; };
  if (std::is_sorted(items.begin(), items.end(), before)) return;
  std::make_heap(items.begin(), items.end(), before);
  std::sort_heap(items.begin(), items.end(), before);
}

/// Item has a member `index`. Reading is safe from many threads at once.
template <class Item>
class run_list {
 public:
  /// Random-access but for its reference type: items are made as they are read.
  class iterator {
   public:
    using iterator_concept = std::random_access_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = Item;
    using difference_type = std::ptrdiff_t;
    using reference = Item;
    struct pointer {
      Item item;
      const Item* operator->() const { return &item; }
    };

    iterator() = default;
    iterator(const run_list* list, std::size_t at) : list_(list), at_(at) {}

    Item operator*() const { return (*list_)[at_]; }
    pointer operator->() const { return {**this}; }
    Item operator[](difference_type by) const { return *(*this + by); }
    iterator& operator++() { return *this += 1; }
    iterator operator++(int) { return std::exchange(*this, *this + 1); }
    iterator& operator--() { return *this -= 1; }
    iterator operator--(int) { return std::exchange(*this, *this - 1); }
    iterator& operator+=(difference_type by) {
      at_ = static_cast<std::size_t>(static_cast<difference_type>(at_) + by);
      return *this;
    }
    iterator& operator-=(difference_type by) { return *this += -by; }
    friend iterator operator+(iterator it, difference_type by) { return it += by; }
    friend iterator operator+(difference_type by, iterator it) { return it += by; }
    friend iterator operator-(iterator it, difference_type by) { return it -= by; }
    friend difference_type operator-(const iterator& a, const iterator& b) {
      return static_cast<difference_type>(a.at_) - static_cast<difference_type>(b.at_);
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.at_ == b.at_; }
    friend auto operator<=>(const iterator& a, const iterator& b) { return a.at_ <=> b.at_; }

   private:
    const run_list* list_{};
    std::size_t at_{};
  };
  using const_iterator = iterator;
  using value_type = Item;

  run_list() = default;

  explicit run_list(const std::vector<std::pair<Item, std::uint64_t>>& items) : run_list(std::vector(items)) {}
  /// Items with their run lengths, in any order, no index twice. O(k log k). Throws std::bad_alloc, and has only sorted
  /// the items then.
  explicit run_list(std::vector<std::pair<Item, std::uint64_t>>&& items) {
    if (items.empty()) return;
    runs_.reserve(items.size());
    sort_runs(items);
    for (auto& [first, length] : items) {
      if (length == 0) continue;
      runs_.push_back({std::move(first), size(), length});
    }
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return runs_.empty() ? 0 : runs_.back().before + runs_.back().length;
  }
  [[nodiscard]] bool empty() const noexcept { return runs_.empty(); }

  /// The k-th item. Undefined if k >= size(). O(log size).
  [[nodiscard]] Item operator[](std::size_t k) const {
    const auto after =
        std::partition_point(runs_.begin(), runs_.end(), [k](const entry& run) { return run.before <= k; });
    const entry& run = *std::prev(after);
    Item item = run.first;
    item.index += k - run.before;
    return item;
  }

  /// As operator[]; std::out_of_range if there is no such item.
  [[nodiscard]] Item at(std::size_t k) const {
    if (k >= size()) throw std::out_of_range("parmap: there is no such failure");
    return (*this)[k];
  }
  [[nodiscard]] Item front() const { return (*this)[0]; }
  [[nodiscard]] Item back() const { return (*this)[size() - 1]; }

  /// How many items have an index below `index`. O(log size).
  [[nodiscard]] std::uint64_t count_below(std::uint64_t index) const noexcept {
    const auto* run = run_at_or_before(index);
    return run == nullptr ? 0 : run->before + std::min(index - run->first.index, run->length);
  }
  /// Whether an item has this index. O(log size).
  [[nodiscard]] bool contains(std::uint64_t index) const noexcept {
    const auto* run = run_at_or_before(index);
    return run != nullptr && index - run->first.index < run->length;
  }

  [[nodiscard]] iterator begin() const { return {this, 0}; }
  [[nodiscard]] iterator end() const { return {this, size()}; }

  /// Calls fn(b, e) for each maximal stretch [b, e) of [0, n) without an item, in order.
  template <class Fn>
  void for_each_gap(std::uint64_t n, Fn&& fn) const {
    std::uint64_t from = 0;
    for (const auto& run : runs_) {
      if (from < run.first.index) fn(from, run.first.index);
      from = run.first.index + run.length;
    }
    if (from < n) fn(from, n);
  }

  /// The first stretch [b, e) of [from, n) without an item; (n, n) if there is none. from <= n. O(log size).
  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> next_gap(std::uint64_t from, std::uint64_t n) const noexcept {
    auto run = run_behind(from);
    if (run != runs_.begin()) from = std::max(from, std::prev(run)->first.index + std::prev(run)->length);
    for (; run != runs_.end() && run->first.index == from; ++run) from += run->length;
    return {from, run == runs_.end() ? n : run->first.index};
  }

 private:
  struct entry {
    Item first;
    std::uint64_t before;  // items in the runs ahead of this one
    std::uint64_t length;
  };

  const entry* run_at_or_before(std::uint64_t index) const noexcept {
    const auto after = run_behind(index);
    return after == runs_.begin() ? nullptr : &*std::prev(after);
  }
  // The first run that begins behind `index`.
  typename std::vector<entry>::const_iterator run_behind(std::uint64_t index) const noexcept {
    return std::partition_point(runs_.begin(), runs_.end(),
                                [index](const entry& run) { return run.first.index <= index; });
  }

  std::vector<entry> runs_;
};

}  // namespace parmap::detail
