// SPDX-License-Identifier: MIT
// values_view: the values in the slots of a map, without the slots of failed tasks.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <tuple>

namespace parmap::inline PARMAP_ABI::detail {

// Forward, sized, and iterable when const. A step costs one comparison, and a search of the failures at the end of each
// run of values.
template <class T>
class values_view : public std::ranges::view_interface<values_view<T>> {
 public:
  class iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = const T&;
    using pointer = const T*;

    iterator() = default;

    reference operator*() const { return slots_[at_]; }
    pointer operator->() const { return slots_ + at_; }
    iterator& operator++() {
      if (++at_ == until_) skip_failures();
      return *this;
    }
    iterator operator++(int) {
      iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.at_ == b.at_; }

   private:
    friend class values_view;
    iterator(const T* slots, const failure_list* failures, std::uint64_t n, std::uint64_t at)
        : slots_(slots),
          failures_(failures),
          n_(n),
          at_(at) {
      skip_failures();
    }
    void skip_failures() { std::tie(at_, until_) = failures_->next_gap(at_, n_); }

    const T* slots_{};
    const failure_list* failures_{};
    std::uint64_t n_{};
    std::uint64_t at_{};
    std::uint64_t until_{};  // the end of the run of values that contains at_
  };

  values_view() = default;
  values_view(const T* slots, const failure_list& failures, std::uint64_t n)
      : slots_(slots),
        failures_(&failures),
        n_(n),
        size_(n - failures.size()) {}

  [[nodiscard]] iterator begin() const { return size_ == 0 ? end() : iterator(slots_, failures_, n_, 0); }
  [[nodiscard]] iterator end() const {
    iterator behind;
    behind.at_ = n_;
    return behind;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  const T* slots_{};
  const failure_list* failures_{};
  std::uint64_t n_{};
  std::size_t size_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
