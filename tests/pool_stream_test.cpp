// SPDX-License-Identifier: MIT
// Streams and reductions on a pool.
#include "leftovers.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <ranges>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

class pool_stream : public leftovers::none {};

int twice(int x) { return 2 * x; }

TEST_F(pool_stream, gives_each_outcome_once) {
  const parmap::pool workers({.workers = 3});
  std::set<std::uint64_t> seen;
  for (auto&& [index, outcome] : parmap::stream(workers, twice, std::views::iota(0, 5000))) {
    ASSERT_EQ(outcome.value(), 2 * static_cast<int>(index));
    EXPECT_TRUE(seen.insert(index).second);
  }
  EXPECT_EQ(seen.size(), 5000U);
}

TEST_F(pool_stream, is_in_order_if_asked) {
  const parmap::pool workers({.workers = 3});
  for (const std::uint64_t window : {0U, 1U, 7U}) {
    std::uint64_t next = 0;
    for (auto&& [index, outcome] :
         parmap::stream(workers, twice, std::views::iota(0, 1000), {.ordered = true, .window = window})) {
      EXPECT_EQ(index, next++);
      EXPECT_EQ(outcome.value(), 2 * static_cast<int>(index));
    }
    EXPECT_EQ(next, 1000U);
  }
}

TEST_F(pool_stream, reads_axes_without_a_size_as_it_goes) {
  const parmap::pool workers({.workers = 2});
  std::istringstream text("1 2 3 4 5 6");
  std::vector<int> all;
  const auto multiply = [](int x, const std::string& y) { return x * static_cast<int>(y.size()); };
  for (auto&& each : parmap::stream(workers, multiply, std::views::istream<int>(text),
                                    std::vector<std::string>{"a", "bb"}, {.ordered = true}))
    all.push_back(each.outcome.value());
  EXPECT_EQ(all, (std::vector{1, 2, 2, 4, 3, 6, 4, 8, 5, 10, 6, 12}));
  int taken = 0;
  for (auto&& each : parmap::stream(workers, twice, std::views::iota(5), {.ordered = true})) {
    EXPECT_EQ(each.outcome.value(), 2 * (5 + taken));
    if (++taken == 3000) break;
  }
  std::istringstream left("1 2 3");
  std::vector<std::string> together;
  const auto join = [](int a, int b) { return std::to_string(a) + std::to_string(b); };
  for (auto&& each : parmap::stream(workers, join, parmap::zip(std::views::istream<int>(left), std::views::iota(7)),
                                    {.ordered = true}))
    together.push_back(each.outcome.value());
  EXPECT_EQ(together, (std::vector<std::string>{"17", "28", "39"}));
}

TEST_F(pool_stream, ends_the_tasks_of_a_loop_that_is_left) {
  const parmap::pool workers({.workers = 2});
  const auto sleep = [](int k) {
    std::this_thread::sleep_for(std::chrono::seconds(k));
    return k;
  };
  for (auto&& each : parmap::stream(workers, sleep, std::vector{0, 1000, 1000, 1000, 1000})) {
    EXPECT_EQ(each.outcome.value(), 0);
    break;
  }
  EXPECT_EQ(parmap::map(workers, twice, std::vector{1, 2}).value(), (std::vector{2, 4}));
}

TEST_F(pool_stream, that_nobody_reads_does_not_hold_up_a_map) {
  const parmap::pool workers({.workers = 2});
  auto unread = parmap::stream(workers, [](int k) { return std::string(100'000, static_cast<char>('a' + k % 26)); },
                               std::views::iota(0, 1000), {.ordered = true});
  ASSERT_EQ((*unread.begin()).outcome->front(), 'a');
  for (int k = 0; k < 20; ++k) ASSERT_EQ(parmap::map(workers, twice, std::views::iota(0, 100)).value().back(), 198);
  int index = 0;
  for (auto&& each : unread) ASSERT_EQ(each.outcome->front(), 'a' + index++ % 26);
  EXPECT_EQ(index, 1000);
}

TEST_F(pool_stream, tells_of_failures_and_of_tasks_that_were_stopped) {
  const parmap::pool workers({.workers = 2});
  std::stop_source source;
  std::uint64_t values = 0;
  std::uint64_t stopped = 0;
  const auto f = [](int k) {
    if (k == 3) std::abort();
    return k;
  };
  for (auto&& each : parmap::stream(workers, f, std::views::iota(0, 100'000), {.stop = source.get_token()})) {
    if (each.outcome) ++values;
    else if (each.outcome.error().kind == parmap::failure::stopped) ++stopped;
    else EXPECT_EQ(each.index, 3U);
    if (values == 10) source.request_stop();
  }
  EXPECT_EQ(values + stopped, 99'999U);
  EXPECT_GT(stopped, 0U);
}

TEST_F(pool_stream, reductions_are_bitwise_those_of_every_engine) {
  const parmap::pool workers({.workers = 2});
  const auto f = [](int x) {
    if (x % 1000 == 3 || (x > 700 && x < 720)) throw std::runtime_error("left out");
    return 1.0 / (x + 1);
  };
  const auto xs = std::views::iota(0, 20'000);
  const auto here = parmap::map_reduce(parmap::threads, f, std::plus{}, 0.5, xs);
  for (int k = 0; k < 3; ++k) {
    const auto there = parmap::map_reduce(workers, f, std::plus{}, 0.5, xs);
    EXPECT_EQ(there.partial(), here.partial());
    EXPECT_EQ(there.failures().size(), here.failures().size());
  }
}

}  // namespace
