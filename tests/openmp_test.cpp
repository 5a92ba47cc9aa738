// SPDX-License-Identifier: MIT
// A program that has used OpenMP maps, and its tasks use OpenMP, too.
#include "leftovers.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>
#include <omp.h>

#include <chrono>
#include <ranges>

namespace {

using namespace std::chrono_literals;

class openmp : public leftovers::none {};

int threads_of_a_region() {
  int count = 0;
#pragma omp parallel num_threads(3) reduction(+ : count)
  ++count;
  return count;
}

TEST_F(openmp, before_and_inside_multi) {
  const auto f = [](int) { return threads_of_a_region(); };
  for (int k = 0; k < 3; ++k) {
    EXPECT_EQ(threads_of_a_region(), 3);
    const auto all = parmap::map(f, std::views::iota(0, 8), {.timeout = 20s, .workers = 2});
    for (const int each : all.value()) EXPECT_EQ(each, 3);
  }
}

TEST_F(openmp, around_a_map) {
  int right = 0;
#pragma omp parallel num_threads(2) reduction(+ : right)
  {
    const auto all = parmap::map([](int i) { return i; }, std::views::iota(0, 8), {.timeout = 20s, .workers = 2});
    right += all.ok() ? 1 : 0;
  }
  EXPECT_EQ(right, 2);
}

}  // namespace
