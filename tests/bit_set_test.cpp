// SPDX-License-Identifier: MIT
// The set with a bit for each task: iteration over set and clear bits, especially around the ends of words.
#include <parmap/detail/results/bit_set.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

namespace {

using parmap::detail::bit_set;

std::vector<std::uint64_t> set_of(const bit_set& bits, std::uint64_t b, std::uint64_t e) {
  std::vector<std::uint64_t> all;
  bits.for_each_set(b, e, [&](std::uint64_t i) { all.push_back(i); });
  return all;
}
std::vector<std::uint64_t> clear_of(const bit_set& bits, std::uint64_t b, std::uint64_t e) {
  std::vector<std::uint64_t> all;
  bits.for_each_clear(b, e, [&](std::uint64_t i) { all.push_back(i); });
  return all;
}

TEST(bit_set, every_stretch_of_every_size_is_as_a_set_says) {
  for (const std::uint64_t n : {0U, 1U, 63U, 64U, 65U, 127U, 128U, 200U}) {
    bit_set bits(n);
    std::set<std::uint64_t> model;
    for (std::uint64_t i = 0; i < n; ++i)
      if (i % 7 == 3 || i % 64 == 0 || (i > 64 && i < 129)) {
        bits.set(i);
        model.insert(i);
      }
    if (n > 100) {
      bits.clear(100);
      model.erase(100);
    }
    for (std::uint64_t b = 0; b <= n; ++b)
      for (std::uint64_t e = b; e <= n; ++e) {
        std::vector<std::uint64_t> in;
        std::vector<std::uint64_t> out;
        for (std::uint64_t i = b; i < e; ++i) (model.contains(i) ? in : out).push_back(i);
        ASSERT_EQ(set_of(bits, b, e), in) << "[" << b << ", " << e << ") of " << n;
        ASSERT_EQ(clear_of(bits, b, e), out) << "[" << b << ", " << e << ") of " << n;
      }
  }
}

TEST(bit_set, the_bit_that_is_looked_at_may_change) {
  bit_set bits(130);
  bits.for_each_clear(0, 130, [&](std::uint64_t i) { bits.set(i); });
  EXPECT_EQ(set_of(bits, 0, 130).size(), 130U);
  bits.for_each_set(0, 130, [&](std::uint64_t i) { bits.clear(i); });
  EXPECT_EQ(clear_of(bits, 0, 130).size(), 130U);
}

}  // namespace
