// SPDX-License-Identifier: MIT
// Maps with more tasks than one round holds: here a round holds 7.
#define PARMAP_MAX_ROUND 7
#include "engines.hpp"
#include "reduction_by_hand.hpp"

#include <unistd.h>

#include <array>
#include <cstdint>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

template <class Engine>
class rounds : public ::testing::Test {};
TYPED_TEST_SUITE(rounds, engines::all, engines::names);

TYPED_TEST(rounds, every_task_once_in_order) {
  for (int n = 0; n < 40; ++n) {
    const auto all = parmap::map(TypeParam::engine, [](int i) { return std::to_string(i); }, std::views::iota(0, n));
    ASSERT_TRUE(all.ok()) << all.failures()[0];
    for (int i = 0; i < n; ++i) ASSERT_EQ(all[static_cast<std::uint64_t>(i)], std::to_string(i)) << n;
  }
}

TYPED_TEST(rounds, index_and_random_numbers_are_the_tasks) {
  const auto ask = [](parmap::context& self, std::uint64_t) { return std::pair(self.index(), self.rng()()); };
  const auto all =
      parmap::map(TypeParam::engine, ask, std::views::iota(std::uint64_t{0}, std::uint64_t{40}), {.seed = 3});
  for (std::uint64_t i = 0; i < 40; ++i) {
    EXPECT_EQ(all[i].first, i);
    EXPECT_EQ(all[i].second, parmap::philox4x64(std::array<std::uint64_t, 2>{3, i})());
  }
}

template <class Engine>
class rounds_skipping : public ::testing::Test {};
TYPED_TEST_SUITE(rounds_skipping, engines::skipping, engines::names);

TYPED_TEST(rounds_skipping, failures_of_every_round) {
  const auto f = [](int i) {
    if (i % 3 == 0) throw std::runtime_error(std::to_string(i));
    return i;
  };
  const auto all = parmap::map(TypeParam::engine, f, std::views::iota(0, 100));
  ASSERT_EQ(all.failures().size(), 34U);
  for (std::uint64_t k = 0; k < 34; ++k) EXPECT_EQ(all.failures()[k].index, 3 * k);
  EXPECT_EQ(all[98], 98);
}

TYPED_TEST(rounds_skipping, max_failures_ends_all_rounds) {
  const auto f = [](int i) -> int { throw std::runtime_error(std::to_string(i)); };
  const auto all = parmap::map(TypeParam::engine, f, std::views::iota(0, 100), {.max_failures = 10, .workers = 1});
  ASSERT_EQ(all.failures().size(), 100U);
  EXPECT_EQ(all.failures()[9].kind, parmap::failure::threw);
  for (std::uint64_t k = 10; k < 100; ++k) EXPECT_EQ(all.failures()[k].kind, parmap::failure::stopped);
}

template <class Engine>
class rounds_reducing : public ::testing::Test {};
using engines_that_reduce = ::testing::Types<engines::serial, engines::threads, engines::multi>;
TYPED_TEST_SUITE(rounds_reducing, engines_that_reduce, engines::names);

// The boundaries of rounds are not those of blocks.
TYPED_TEST(rounds_reducing, blocks_go_on_in_the_next_round) {
  const auto f = [](std::uint64_t i) { return std::to_string(i); };
  const auto op = [](const std::string& a, const std::string& b) { return '(' + a + ' ' + b + ')'; };
  const auto step = [](std::string& all, std::uint64_t i) { all = '[' + all + std::to_string(i) + ']'; };
  const auto merge = [](std::string& all, const std::string& more) { all += '|' + more; };
  // The last two have two and three blocks (parmap::reduction_block). A round starts its workers anew, so larger ones
  // take long under ASan.
  for (const auto& [n, workers] : std::vector<std::pair<std::uint64_t, unsigned>>{
           {6, 1}, {7, 1}, {8, 1}, {6, 3}, {7, 3}, {8, 3}, {600, 3}, {1100, 2}}) {
    const auto tasks = std::views::iota(std::uint64_t{0}, n);
    EXPECT_EQ(parmap::map_reduce(TypeParam::engine, f, op, std::string("init"), tasks, {.workers = workers}).value(),
              by_hand::map_reduce(f, op, std::string("init"), n).value());
    EXPECT_EQ(parmap::fold(TypeParam::engine, std::string(), step, merge, tasks, {.workers = workers}).value(),
              by_hand::fold(std::string(), step, merge, n).value());
  }
}

TEST(rounds_multi, deaths_in_every_round) {
  const auto f = [](int i) {
    if (i % 5 == 0) ::_exit(1);
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 100), {.workers = 3});
  ASSERT_EQ(all.failures().size(), 20U);
  for (std::uint64_t k = 0; k < 20; ++k) EXPECT_EQ(all.failures()[k].index, 5 * k);
}

}  // namespace
