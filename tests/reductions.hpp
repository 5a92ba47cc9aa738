// SPDX-License-Identifier: MIT
// What the tests of map_reduce and of fold share.
#pragma once

#include "engines.hpp"
#include "leftovers.hpp"
#include "reduction_by_hand.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ranges>
#include <string>
#include <utility>

namespace reductions {

using engines_that_reduce = ::testing::Types<engines::serial, engines::threads, engines::multi>;
using engines_that_skip = ::testing::Types<engines::threads, engines::multi>;

inline auto tasks(std::uint64_t n) { return std::views::iota(std::uint64_t{0}, n); }

// A sum of which every rounding counts.
inline double term(std::uint64_t i) {
  return std::ldexp(std::sin(static_cast<double>(i) + 0.5), static_cast<int>(i * 7 % 60) - 30);
}

// Compares with the recursion that leaves out what has failed.
template <class T>
void expect_partial(const parmap::reduction<T>& all, by_hand::reduction<T> expected) {
  by_hand::leave_out(expected, all.failures());
  EXPECT_EQ(all.partial(), expected.value());
}

[[noreturn]] inline std::string die() {
  ::kill(::getpid(), SIGKILL);
  std::abort();
}

}  // namespace reductions
