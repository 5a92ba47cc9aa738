// SPDX-License-Identifier: MIT
// task_choice: those tasks of a map that are to run, as the others have outcomes already.
#pragma once

#include <parmap/detail/config.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A bit for each task, and a count for each 512 of them.
class task_choice {
 public:
  // All of n tasks.
  explicit task_choice(std::uint64_t n) : n_(n), words_(n / bits + 1, ~std::uint64_t{0}) {
    words_.back() = (std::uint64_t{1} << n % bits) - 1;
  }

  void leave_out(std::uint64_t i) noexcept { words_[i / bits] &= ~(std::uint64_t{1} << i % bits); }
  // Call once, after the last leave_out.
  void count() {
    before_.clear();
    std::uint64_t all = 0;
    for (std::size_t w = 0; w < words_.size(); ++w) {
      if (w % words_each == 0) before_.push_back(all);
      all += static_cast<std::uint64_t>(std::popcount(words_[w]));
    }
    size_ = all;
  }

  // A bit for each task: whether it is to run.
  [[nodiscard]] const std::vector<std::uint64_t>& words() const noexcept { return words_; }
  // Whether task i is to run.
  [[nodiscard]] bool has(std::uint64_t i) const noexcept { return (words_[i / bits] >> i % bits & 1) != 0; }
  // The first task from i on that is left out; the number of all tasks if there is none.
  [[nodiscard]] std::uint64_t next_left_out(std::uint64_t i) const noexcept {
    for (; i < n_; i = (i / bits + 1) * bits)
      if (const std::uint64_t out = ~words_[i / bits] >> i % bits; out != 0)
        return std::min(n_, i + static_cast<std::uint64_t>(std::countr_zero(out)));
    return n_;
  }
  // How many of the tasks below i are to run. O(1).
  [[nodiscard]] std::uint64_t below(std::uint64_t i) const noexcept {
    if (i >= n_) return size_;
    const std::size_t word = i / bits;
    std::uint64_t all = before_[word / words_each];
    for (std::size_t w = word / words_each * words_each; w < word; ++w)
      all += static_cast<std::uint64_t>(std::popcount(words_[w]));
    return all + static_cast<std::uint64_t>(std::popcount(words_[word] & ((std::uint64_t{1} << i % bits) - 1)));
  }
  // The number of tasks that are to run.
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] bool has_all() const noexcept { return size_ == n_; }
  // The number of all tasks.
  [[nodiscard]] std::uint64_t of() const noexcept { return n_; }
  // The index of the k-th of them, below size(). O(log n).
  [[nodiscard]] std::uint64_t task(std::uint64_t k) const noexcept {
    const auto block = static_cast<std::size_t>(std::ranges::upper_bound(before_, k) - before_.begin()) - 1;
    std::uint64_t left = k - before_[block];
    for (std::size_t w = block * words_each;; ++w) {
      const auto here = static_cast<std::uint64_t>(std::popcount(words_[w]));
      if (left >= here) {
        left -= here;
        continue;
      }
      std::uint64_t word = words_[w];
      for (; left > 0; --left) word &= word - 1;
      return w * bits + static_cast<std::uint64_t>(std::countr_zero(word));
    }
  }

 private:
  static constexpr std::uint64_t bits = 64;
  static constexpr std::size_t words_each = 8;

  std::uint64_t n_;
  std::vector<std::uint64_t> words_;
  std::vector<std::uint64_t> before_;  // chosen tasks before each words_each words
  std::uint64_t size_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
