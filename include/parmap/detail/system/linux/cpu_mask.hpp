// SPDX-License-Identifier: MIT
// cpu_mask: the set of cores on which a thread may run.
#pragma once

#include <parmap/detail/config.hpp>

#include <sched.h>

#include <bit>
#include <cstddef>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A set of cores of any size.
class cpu_mask {
 public:
  explicit cpu_mask(std::size_t cpus) : words_(cpus / word_bits) {}

  [[nodiscard]] std::size_t cpus() const noexcept { return words_.size() * word_bits; }
  [[nodiscard]] std::size_t bytes() const noexcept { return words_.size() * sizeof(unsigned long); }
  [[nodiscard]] cpu_set_t* get() noexcept { return reinterpret_cast<cpu_set_t*>(words_.data()); }
  [[nodiscard]] const cpu_set_t* get() const noexcept { return reinterpret_cast<const cpu_set_t*>(words_.data()); }
  [[nodiscard]] bool has(std::size_t cpu) const noexcept {
    return (words_[cpu / word_bits] >> cpu % word_bits & 1) != 0;
  }
  void add(std::size_t cpu) noexcept { words_[cpu / word_bits] |= 1UL << cpu % word_bits; }
  [[nodiscard]] unsigned count() const noexcept {
    unsigned all = 0;
    for (const unsigned long word : words_) all += static_cast<unsigned>(std::popcount(word));
    return all;
  }

 private:
  static constexpr std::size_t word_bits = 8 * sizeof(unsigned long);

  std::vector<unsigned long> words_;
};

// The cores on which the calling thread may run; empty if the kernel does not report them.
[[nodiscard]] cpu_mask affinity();

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/linux/cpu_mask.inl.hpp>
#endif
