// SPDX-License-Identifier: MIT
// map_into: results in a range of the caller, on every engine except async.
#include "engines.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <numeric>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace {

struct named_threads {
  static inline const auto engine = parmap::engine_named("threads");
};
struct names {
  template <class Engine>
  static std::string GetName(int k) {
    return std::string(Engine::engine.name()) + (k > 2 ? "_by_name" : "");
  }
};

template <class Engine>
class map_into : public ::testing::Test {};
using every_one = ::testing::Types<engines::serial, engines::threads, engines::multi, named_threads, engines::named>;
TYPED_TEST_SUITE(map_into, every_one, names);

std::vector<int> first(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

int square(int x) { return x * x; }

TYPED_TEST(map_into, puts_each_result_in_its_element_and_touches_no_other) {
  for (const int n : {0, 1, 2, 3, 17, 1000, 40'000}) {
    const auto xs = first(n);
    std::vector<long> out(xs.size() + 3, -1);  // of another type, and longer
    const parmap::results<void> all = parmap::map_into(TypeParam::engine, out, square, xs);
    ASSERT_TRUE(all.ok()) << all.failures()[0];
    ASSERT_EQ(all.size(), xs.size());
    for (int i = 0; i < n; ++i) ASSERT_EQ(out[static_cast<std::size_t>(i)], square(i));
    for (std::size_t i = xs.size(); i < out.size(); ++i) ASSERT_EQ(out[i], -1);
  }
}

TYPED_TEST(map_into, takes_what_has_to_be_encoded) {
  const auto words = [](int i) { return std::string(static_cast<std::size_t>(i % 100), 'x') + std::to_string(i); };
  const auto xs = first(5000);
  std::vector<std::string> out(xs.size(), "before");
  parmap::map_into(TypeParam::engine, out, words, xs).value();
  for (const int i : xs) ASSERT_EQ(out[static_cast<std::size_t>(i)], words(i));
}

TYPED_TEST(map_into, takes_arrays_spans_and_deques) {
  std::array<int, 4> array{};
  parmap::map_into(TypeParam::engine, array, square, std::vector{1, 2, 3, 4}).value();
  EXPECT_EQ(array, (std::array{1, 4, 9, 16}));
  parmap::map_into(TypeParam::engine, std::span(array).subspan(1), square, std::vector{5, 6}).value();
  EXPECT_EQ(array, (std::array{1, 25, 36, 16}));
  std::deque<int> deque(3);
  parmap::map_into(TypeParam::engine, deque, square, std::vector{1, 2, 3}).value();
  EXPECT_EQ(deque, (std::deque{1, 4, 9}));
}

TYPED_TEST(map_into, may_write_over_its_only_axis) {
  auto xs = first(1000);
  parmap::map_into(TypeParam::engine, xs, square, xs).value();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(xs[static_cast<std::size_t>(i)], square(i));
}

TYPED_TEST(map_into, spreads_several_axes_last_fastest) {
  const std::vector a{1, 2};
  const std::vector b{10, 20, 30};
  std::vector<int> out(12);
  const auto add2 = [](int x, int y) { return x + y; };
  const auto add3 = [](int x, int y, int z) { return x + y + z; };
  const auto add4 = [](int x, int y, int z, int u) { return x + y + z + u; };
  parmap::map_into(TypeParam::engine, out, add2, a, b).value();
  EXPECT_EQ(std::vector(out.begin(), out.begin() + 6), (std::vector{11, 21, 31, 12, 22, 32}));
  parmap::map_into(TypeParam::engine, out, add3, a, b, a).value();
  EXPECT_EQ(out[1], 13);
  parmap::map_into(TypeParam::engine, out, add4, a, a, a, std::vector{1}, {}).value();
  EXPECT_EQ(out[7], 7);
}

TYPED_TEST(map_into, passes_context_and_options) {
  const auto random = [](parmap::context& self, int) { return self.rng()(); };
  std::vector<std::uint64_t> out(100);
  const auto all = parmap::map_into(TypeParam::engine, out, random, first(100), {.seed = 5});
  EXPECT_EQ(all.seed(), 5U);
  EXPECT_EQ(out, parmap::map(parmap::serial, random, first(100), {.seed = 5}).value());
}

TYPED_TEST(map_into, a_range_that_is_too_short_is_refused_before_anything_starts) {
  std::vector<int> out(4, -1);
  try {
    static_cast<void>(parmap::map_into(TypeParam::engine, out, square, first(5)));
    ADD_FAILURE() << "not refused";
  } catch (const std::invalid_argument& why) {
    EXPECT_STREQ(why.what(), "parmap::map_into: the range has 4 elements for 5 tasks");
  }
  EXPECT_EQ(out, std::vector(4, -1));
}

template <class Engine>
class map_into_skipping : public ::testing::Test {};
using skipping = ::testing::Types<engines::threads, engines::multi, engines::named>;
TYPED_TEST_SUITE(map_into_skipping, skipping, engines::names);

// An element that refuses one value.
struct no_threes {
  no_threes& operator=(int x) {
    if (x == 3) throw std::domain_error("no threes");
    value = x;
    return *this;
  }

  int value{};
};

TYPED_TEST(map_into_skipping, a_value_that_its_element_refuses_costs_its_task_alone) {
  std::vector<no_threes> out(6);
  const auto f = [](int x) {
    if (x == 1) throw std::domain_error("no ones");
    return x;
  };
  const auto all = parmap::map_into(TypeParam::engine, out, f, first(6));
  ASSERT_EQ(all.failures().size(), 2U);
  EXPECT_EQ(all.failures()[0].index, 1U);
  EXPECT_EQ(all.failures()[1].index, 3U);
  EXPECT_EQ(all.failures()[1].kind, parmap::failure_kind::threw);
  EXPECT_NE(all.failures()[1].message.find("no threes"), std::string::npos);
  EXPECT_EQ(out[5].value, 5);
}

TYPED_TEST(map_into_skipping, a_failure_costs_its_task_alone) {
  const auto odd_ones = [](int i) {
    if (i % 2 == 0) throw std::runtime_error("even");
    return std::to_string(i);
  };
  std::vector<std::string> out(1000);
  const auto all = parmap::map_into(TypeParam::engine, out, odd_ones, first(1000));
  EXPECT_EQ(all.failures().size(), 500U);
  EXPECT_THROW(all.value(), parmap::map_failed);
  for (std::size_t i = 1; i < 1000; i += 2) ASSERT_EQ(out[i], std::to_string(i));
}

TEST(map_into_itself, the_default_engine_is_multi) {
  const auto die = [](int i) {
    if (i == 3) std::abort();
    return i;
  };
  std::vector<int> out(5, -1);
  const auto all = parmap::map_into(out, die, first(5));
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].kind, parmap::failure_kind::crashed);
  EXPECT_EQ(out[4], 4);
  std::vector<int> sums(4);
  parmap::map_into(sums, [](int x, int y) { return x + y; }, std::vector{1, 2}, std::vector{10, 20}, {.workers = 1})
      .value();
  EXPECT_EQ(sums, (std::vector{11, 21, 12, 22}));
}

TEST(map_into_itself, moves_what_cannot_be_copied) {
  std::vector<std::unique_ptr<int>> out(100);
  parmap::map_into(parmap::threads, out, [](int i) { return std::make_unique<int>(i); }, first(100)).value();
  for (std::size_t i = 0; i < 100; ++i) ASSERT_EQ(*out[i], static_cast<int>(i));
}

struct bound_to_its_process {
  std::shared_ptr<std::string> shared;
};

TEST(map_into_itself, an_engine_by_name_refuses_what_cannot_leave_a_worker) {
  std::vector<bound_to_its_process> out(2);
  const auto make = [](int i) { return bound_to_its_process{std::make_shared<std::string>(std::to_string(i))}; };
  EXPECT_THROW(static_cast<void>(parmap::map_into(parmap::engine_named("multi"), out, make, first(2))),
               std::invalid_argument);
}

}  // namespace
