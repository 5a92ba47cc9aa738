// SPDX-License-Identifier: MIT
// Maps inside maps: every possible pair of engines (async in async: async_map_test), and deeper nesting.
#include "engines.hpp"

#include <signal.h>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace {

template <class Outer, class Inner>
struct pairing {
  using outer = Outer;
  using inner = Inner;
};
using engines::async, engines::multi, engines::serial, engines::threads;
using pairings = ::testing::Types<pairing<serial, serial>, pairing<serial, threads>, pairing<serial, multi>,
                                  pairing<threads, serial>, pairing<threads, threads>, pairing<threads, multi>,
                                  pairing<multi, serial>, pairing<multi, threads>, pairing<multi, multi>,
                                  pairing<serial, async>, pairing<threads, async>, pairing<multi, async>,
                                  pairing<async, serial>, pairing<async, threads>, pairing<async, multi>>;

struct pairing_names {
  template <class Pairing>
  static std::string GetName(int) {
    return std::string(Pairing::outer::engine.name()) + "_" + std::string(Pairing::inner::engine.name());
  }
};

template <class Pairing>
class nested : public ::testing::Test {};
TYPED_TEST_SUITE(nested, pairings, pairing_names);

// The outer tasks, which run a map. They are functions, so that a map is compiled once for each engine and not for each
// pair.
template <class Inner>
int sum_of_row(int i) {
  const auto all = parmap::map(Inner::engine, [i](int j) { return i * j; }, std::views::iota(0, 100)).value();
  return std::accumulate(all.begin(), all.end(), 0);
}

template <class Inner>
std::vector<std::string> strings_of_row(int i) {
  return parmap::map(Inner::engine, [i](int j) { return std::to_string(i + j); }, std::views::iota(0, i)).value();
}

template <class Inner>
std::size_t failures_of_row(int i) {
  const auto f = [i](int j) {
    if (j == i) throw std::runtime_error("diagonal");
    return j;
  };
  if constexpr (std::is_same_v<Inner, serial>) {
    try {
      static_cast<void>(parmap::map(parmap::serial, f, std::views::iota(0, 10)));
      return 0;
    } catch (const std::runtime_error&) {
      return 1;
    }
  } else {
    return parmap::map(Inner::engine, f, std::views::iota(0, 10)).failures().size();
  }
}

TYPED_TEST(nested, sums) {
  const auto sums =
      parmap::map(TypeParam::outer::engine, &sum_of_row<typename TypeParam::inner>, std::views::iota(0, 50));
  ASSERT_TRUE(sums.ok()) << sums.failures()[0];
  for (std::uint64_t i = 0; i < 50; ++i) EXPECT_EQ(sums[i], static_cast<int>(i) * 4950);
}

TYPED_TEST(nested, strings_of_strings) {
  const auto all =
      parmap::map(TypeParam::outer::engine, &strings_of_row<typename TypeParam::inner>, std::views::iota(0, 20));
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  EXPECT_EQ(all[19].at(18), "37");
  EXPECT_TRUE(all[0].empty());
}

TYPED_TEST(nested, a_failure_inside_is_the_inner_maps) {
  const auto all =
      parmap::map(TypeParam::outer::engine, &failures_of_row<typename TypeParam::inner>, std::views::iota(0, 20));
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(all[i], i < 10 ? 1U : 0U);
}

TEST(nested_processes, a_worker_forked_from_a_pool_thread_has_the_callers_signal_mask) {
  // The outer tasks run in the pool's threads or in the caller's. If SIGTERM were blocked there, it would not end the
  // inner task.
  const auto row = [](int) {
    return parmap::map([](int i) { return i == 1 ? ::raise(SIGTERM) : i; }, std::views::iota(0, 3)).failures().size();
  };
  const auto all = parmap::map(parmap::threads, row, std::views::iota(0, 20), {.workers = 4});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  for (const std::size_t failures : all.values()) EXPECT_EQ(failures, 1U);
}

template <class Engine>
int depth(const Engine& who, int levels) {
  if (levels == 0) return 1;
  const auto all = parmap::map(who, [&](int) { return depth(who, levels - 1); }, std::views::iota(0, 3)).value();
  return std::accumulate(all.begin(), all.end(), 0);
}

TEST(nested_deeply, threads) { EXPECT_EQ(depth(parmap::threads, 5), 243); }
TEST(nested_deeply, multi) { EXPECT_EQ(depth(parmap::multi, 3), 27); }

}  // namespace
