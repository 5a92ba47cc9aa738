// SPDX-License-Identifier: MIT
// What every engine that skips failed tasks promises: which tasks failed, why, and that all others have their values.
#include "engines.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

template <class Engine>
class conformance_failures : public ::testing::Test {};
TYPED_TEST_SUITE(conformance_failures, engines::skipping_or_named, engines::names);

std::vector<int> first(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

int square(int x) { return x * x; }

TYPED_TEST(conformance_failures, failed_tasks_are_skipped) {
  const auto odd_ones_throw = [](int x) {
    if (x % 2 == 1) throw std::runtime_error("odd: " + std::to_string(x));
    return x;
  };
  for (const int n : {1, 2, 3, 10, 1000}) {
    const auto all = parmap::map(TypeParam::engine, odd_ones_throw, first(n));
    ASSERT_EQ(all.failures().size(), static_cast<std::size_t>(n / 2));
    for (const parmap::failure& why : all.failures()) {
      EXPECT_EQ(why.index % 2, 1U);
      EXPECT_EQ(why.kind, parmap::failure::threw);
      EXPECT_EQ(why.message, "std::runtime_error: odd: " + std::to_string(why.index));
      EXPECT_EQ(why.attempts, 1U);
      EXPECT_EQ(all.get_if(why.index), nullptr);
    }
    for (std::uint64_t i = 0; i < all.size(); i += 2) EXPECT_EQ(all[i], static_cast<int>(i));
    EXPECT_TRUE(std::ranges::is_sorted(all.failures(), {}, &parmap::failure::index));
  }
}

TYPED_TEST(conformance_failures, throws_of_any_type) {
  struct odd_thing {};
  const auto f = [](int x) -> int {
    switch (x) {
      case 0: throw 42;
      case 1: throw std::string("text");
      case 2: throw "literal";
      case 3: throw odd_thing{};
      case 4: throw std::bad_alloc();
      case 5: throw std::make_unique<int>(1);
      case 6: throw nullptr;
      default: return x;
    }
  };
  const auto all = parmap::map(TypeParam::engine, f, first(8));
  ASSERT_EQ(all.failures().size(), 7U);
  EXPECT_EQ(all.failures()[0].message, "int: 42");
  EXPECT_EQ(all.failures()[1].message, "std::string: text");
  EXPECT_EQ(all.failures()[2].message, "const char*: literal");
  EXPECT_NE(all.failures()[3].message.find("odd_thing"), std::string::npos);
  EXPECT_EQ(all.failures()[4].kind, parmap::failure::out_of_memory);
  EXPECT_EQ(all[7], 7);
}

TYPED_TEST(conformance_failures, retries_run_out) {
  const auto f = [](int x) {
    if (x == 5) throw std::runtime_error("never");
    return x;
  };
  const auto all = parmap::map(TypeParam::engine, f, first(10), {.retries = 3});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 5U);
  EXPECT_EQ(all.failures()[0].attempts, 4U);
}

TYPED_TEST(conformance_failures, an_axis_that_throws_fails_its_task) {
  const auto axis = std::views::iota(0, 100) | std::views::transform([](int x) {
                      if (x == 50) throw std::runtime_error("from the view");
                      return x;
                    });
  const auto all = parmap::map(TypeParam::engine, square, axis);
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 50U);
  EXPECT_EQ(all[51], 51 * 51);
}

TYPED_TEST(conformance_failures, max_failures_stops_early_and_keeps_what_is_done) {
  const auto f = [](int x) {
    if (x >= 1000) throw std::runtime_error("bad");
    return x;
  };
  const auto all =
      parmap::map(TypeParam::engine, f, std::views::iota(0, 1'000'000), {.max_failures = 10, .workers = 2});
  const int most = 12 * engines::agents<TypeParam>();
  int threw = 0;
  for (const parmap::failure& why : all.failures()) {
    if (why.kind == parmap::failure::threw) ++threw;
    else if (why.kind != parmap::failure::stopped || why.attempts != 0) FAIL() << why;
    if (threw > most) break;
  }
  EXPECT_GE(threw, 10);
  EXPECT_LE(threw, most);  // each worker may have begun one more
  EXPECT_GT(all.failures().size(), 900'000U);
}

}  // namespace
