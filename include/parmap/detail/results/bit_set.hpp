// SPDX-License-Identifier: MIT
// bit_set: a bit for each task, without memory for large ranges that are never set.
#pragma once

#include <parmap/detail/config.hpp>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace parmap::inline PARMAP_ABI::detail {

// All clear at first. Throws std::bad_alloc.
class bit_set {
 public:
  explicit bit_set(std::uint64_t n)
      : words_(static_cast<std::uint64_t*>(std::calloc(n / bits + 1, sizeof(std::uint64_t)))) {
    if (!words_) throw std::bad_alloc();
  }

  void set(std::uint64_t i) noexcept { words_.get()[i / bits] |= std::uint64_t{1} << i % bits; }
  void clear(std::uint64_t i) noexcept { words_.get()[i / bits] &= ~(std::uint64_t{1} << i % bits); }

  // Calls fn(i) for each i in [b, e) whose bit is set, or clear, in order; fn may change bit i.
  template <class Fn>
  void for_each_set(std::uint64_t b, std::uint64_t e, Fn&& fn) const {
    for_each<0>(b, e, fn);
  }
  template <class Fn>
  void for_each_clear(std::uint64_t b, std::uint64_t e, Fn&& fn) const {
    for_each<~std::uint64_t{0}>(b, e, fn);
  }

 private:
  static constexpr std::uint64_t bits = 64;

  struct free_words {
    void operator()(std::uint64_t* words) const noexcept { std::free(words); }
  };

  template <std::uint64_t Flip, class Fn>
  void for_each(std::uint64_t b, std::uint64_t e, Fn& fn) const {
    while (b < e) {
      const std::uint64_t left = (words_.get()[b / bits] ^ Flip) >> b % bits;
      if (left == 0) {
        b = (b / bits + 1) * bits;
      } else {
        b += static_cast<std::uint64_t>(std::countr_zero(left));
        if (b < e) fn(b);
        ++b;
      }
    }
  }

  std::unique_ptr<std::uint64_t, free_words> words_;  // calloc: large blocks are zero pages of the kernel
};

}  // namespace parmap::inline PARMAP_ABI::detail
