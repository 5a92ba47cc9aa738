// SPDX-License-Identifier: MIT
// What a task may do wrong, and the maps in which each such fault must cost only that task. A program that includes
// this file lists its faults: INSTANTIATE_TEST_SUITE_P(each, single_fault_test, ...).
#pragma once

#include "engines.hpp"
#include "leftovers.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ostream>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

struct fault {
  const char* name;
  void (*act)();
  parmap::failure_kind kind;
  const char* message;  // a part of it
  int status{};         // failure::status

  friend void PrintTo(const fault& it, std::ostream* out) { *out << it.name; }
};

class single_fault_test : public leftovers::none, public ::testing::WithParamInterface<fault> {
 protected:
  // Runs n tasks, of which those in `bad` commit the fault. Exactly those must fail, and all others must have their
  // value. T decides how results travel: plain or encoded.
  template <class T>
  static void check(int n, const std::vector<int>& bad, parmap::options chosen) {
    const auto& it = GetParam();
    const unsigned attempts = 1 + chosen.retries;
    const auto f = [&](int i) {
      if (std::ranges::find(bad, i) != bad.end()) it.act();
      if constexpr (std::is_same_v<T, std::string>) return std::to_string(i);
      else return i;
    };
    if (it.kind == parmap::failure::timed_out) chosen.timeout = std::chrono::milliseconds(300);
    const auto all = parmap::map(f, std::views::iota(0, n), std::move(chosen));
    ASSERT_EQ(all.size(), static_cast<std::uint64_t>(n));
    ASSERT_EQ(all.failures().size(), bad.size());
    for (std::size_t k = 0; k < bad.size(); ++k) {
      const parmap::failure why = all.failures()[k];
      EXPECT_EQ(why.index, static_cast<std::uint64_t>(bad[k])) << why;
      EXPECT_EQ(why.kind, it.kind) << why;
      EXPECT_EQ(why.attempts, attempts) << why;
      EXPECT_EQ(why.status, it.status) << why;
      EXPECT_NE(why.message.find(it.message), std::string::npos) << why;
    }
    for (int i = 0; i < n; ++i) {
      if (std::ranges::find(bad, i) != bad.end()) continue;
      if constexpr (std::is_same_v<T, std::string>) ASSERT_EQ(all[static_cast<std::uint64_t>(i)], std::to_string(i));
      else ASSERT_EQ(all[static_cast<std::uint64_t>(i)], i);
    }
  }
};

TEST_P(single_fault_test, alone) { check<int>(1, {0}, {}); }
TEST_P(single_fault_test, first_middle_last) { check<int>(1001, {0, 500, 1000}, {}); }
TEST_P(single_fault_test, encoded_results) { check<std::string>(1001, {1, 499, 999}, {}); }
TEST_P(single_fault_test, one_worker) { check<int>(100, {50, 51, 99}, {.workers = 1}); }
TEST_P(single_fault_test, many_workers) { check<std::string>(200, {0, 1, 2, 3, 100, 101}, {.workers = 9}); }
TEST_P(single_fault_test, retried) { check<int>(50, {0, 30}, {.retries = 2}); }

inline std::string fault_name(const ::testing::TestParamInfo<fault>& one) { return one.param.name; }
