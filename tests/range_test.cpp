// SPDX-License-Identifier: MIT
// The scheduler's arithmetic: claims partition the range whatever their order, and chunks follow the clock.
#include <parmap/detail/schedule/chunk_pacer.hpp>
#include <parmap/detail/schedule/unclaimed_range.hpp>

#include "property.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <limits>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

using parmap::detail::chunk_pacer;
using parmap::detail::interval;
using parmap::detail::max_round;
using parmap::detail::pack;
using parmap::detail::round_index;
using parmap::detail::ticks;
using parmap::detail::unclaimed_range;
using parmap::detail::unpack;

constexpr auto greatest = static_cast<round_index>(max_round);

TEST(range, a_word_holds_both_ends) {
  for (const round_index b : {0U, 1U, 2U, 0x7fff'ffffU, 0x8000'0000U, greatest, 0xffff'ffffU})
    for (const round_index e : {0U, 1U, 2U, 0x7fff'ffffU, 0x8000'0000U, greatest, 0xffff'ffffU})
      EXPECT_EQ(unpack(pack({b, e})), (interval{b, e}));
  EXPECT_EQ(pack({}), 0U);
  EXPECT_TRUE(unpack(0).empty());
  EXPECT_EQ((interval{0, greatest}).size(), max_round);
}

TEST(range, taking_cuts_off_one_end) {
  for (round_index b = 0; b < 8; ++b)
    for (round_index e = b + 1; e <= 8; ++e)
      for (round_index chunk = 1; chunk <= 10; ++chunk)
        for (unsigned worker = 0; worker < 4; ++worker) {
          const interval all{b, e};
          const interval taken = take(all, worker, chunk);
          const interval rest = without(all, taken);
          ASSERT_EQ(taken.size(), std::min(chunk, all.size()));
          ASSERT_EQ(taken.size() + rest.size(), all.size());
          if (worker % 2 == 0) {
            ASSERT_EQ(taken.b, b);
            ASSERT_TRUE(rest.empty() || rest == (interval{taken.e, e}));
          } else {
            ASSERT_EQ(taken.e, e);
            ASSERT_TRUE(rest.empty() || rest == (interval{b, taken.b}));
          }
        }
}

// Whether the spans cover [0, n) without gap or overlap.
bool partition(std::vector<interval> spans, round_index n) {
  std::erase_if(spans, [](interval each) { return each.empty(); });
  std::ranges::sort(spans, {}, &interval::b);
  round_index reached = 0;
  for (const interval each : spans) {
    if (each.b != reached || each.e <= each.b) return false;
    reached = each.e;
  }
  return reached == n;
}

struct move {
  unsigned worker;
  round_index chunk;
};

// Plays every sequence of claims that begins with `moves`; how many there are.
std::uint64_t play_all(round_index n, unsigned workers, std::vector<move>& moves) {
  unclaimed_range range(n);
  std::vector<interval> claimed;
  for (const auto [worker, chunk] : moves)
    claimed.push_back(range.claim(worker, [c = chunk](round_index) { return c; }));
  const round_index left = range.unclaimed().size();
  if (left == 0) {
    EXPECT_TRUE(partition(claimed, n));
    EXPECT_TRUE(range.claim(0, [](round_index) { return round_index{1}; }).empty());
    return 1;
  }
  std::uint64_t played = 0;
  for (unsigned worker = 0; worker < workers; ++worker)
    for (round_index chunk = 1; chunk <= left; ++chunk) {
      moves.push_back({worker, chunk});
      played += play_all(n, workers, moves);
      moves.pop_back();
    }
  return played;
}

TEST(range, every_sequence_of_claims_partitions_a_small_range) {
  for (unsigned workers = 1; workers <= 4; ++workers)
    for (round_index n = 1; n <= (workers == 1 ? 12U : 6U); ++n) {
      std::vector<move> moves;
      std::uint64_t expected = workers;  // every composition of n, a worker for each part
      for (round_index k = 1; k < n; ++k) expected *= workers + 1;
      ASSERT_EQ(play_all(n, workers, moves), expected) << n << " tasks, " << workers << " workers";
    }
}

TEST(range, a_claim_asks_for_a_chunk_of_what_is_left) {
  unclaimed_range range(10);
  std::vector<round_index> asked;
  const auto three = [&asked](round_index left) {
    asked.push_back(left);
    return round_index{3};
  };
  EXPECT_EQ(range.claim(0, three), (interval{0, 3}));
  EXPECT_EQ(range.claim(1, three), (interval{7, 10}));
  EXPECT_EQ(range.claim(2, three), (interval{3, 6}));
  EXPECT_EQ(range.unclaimed(), (interval{6, 7}));
  EXPECT_EQ(range.claim(3, three), (interval{6, 7}));
  EXPECT_TRUE(range.claim(0, three).empty());
  EXPECT_EQ(asked, (std::vector<round_index>{10, 7, 4, 1}));
}

TEST(range, draining_takes_what_is_left) {
  unclaimed_range range(10);
  EXPECT_EQ(range.claim(1, [](round_index) { return round_index{4}; }), (interval{6, 10}));
  EXPECT_EQ(range.drain(), (interval{0, 6}));
  EXPECT_TRUE(range.drain().empty());
  EXPECT_TRUE(range.claim(0, [](round_index) { return round_index{1}; }).empty());
  EXPECT_TRUE(unclaimed_range(0).drain().empty());
}

TEST(range, claims_partition_a_large_range) {
  check_property([] {
    const auto n = *rc::gen::weightedOneOf<round_index>({{3, rc::gen::inRange<round_index>(1, greatest)},
                                                         {1, rc::gen::just(greatest)},
                                                         {1, rc::gen::just(0x8000'0000U)}});
    const auto moves = *rc::gen::container<std::vector<std::pair<unsigned, unsigned>>>(
        rc::gen::pair(rc::gen::inRange(0U, 64U), rc::gen::inRange(0U, 33U)));
    unclaimed_range range(n);
    std::vector<interval> claimed;
    for (const auto& [worker, shift] : moves)
      claimed.push_back(range.claim(worker, [s = shift](round_index left) {
        return s == 32 ? std::numeric_limits<round_index>::max() : std::max(left >> s, 1U);
      }));
    claimed.push_back(range.drain());
    RC_ASSERT(partition(claimed, n));
  });
}

// Several threads claim at once, one of them drains in the end; counts are no atomics, so that TSan sees a second
// claim.
TEST(range, concurrent_claims_take_each_task_once) {
  constexpr unsigned threads = 4;
  constexpr std::uint32_t seed = 20260101;
  std::cout << "seed " << seed << '\n';
  for (std::uint32_t repeat = 0; repeat < 30; ++repeat) {
    constexpr round_index n = 20'000;
    unclaimed_range range(n);
    std::vector<int> counts(n, 0);
    {
      std::vector<std::jthread> claimants;
      for (unsigned worker = 0; worker < threads; ++worker)
        claimants.emplace_back([&, worker] {
          std::minstd_rand random(seed + repeat * threads + worker);
          const auto chunk = [&random](round_index) { return static_cast<round_index>(1 + random() % 7); };
          for (;;) {
            const bool give_up = worker == 3 && repeat % 2 == 1 && range.unclaimed().size() < n / 2;
            const interval mine = give_up ? range.drain() : range.claim(worker, chunk);
            if (mine.empty()) return;
            for (round_index i = mine.b; i < mine.e; ++i) ++counts[i];
          }
        });
    }
    ASSERT_EQ(std::ranges::count(counts, 1), n) << "repeat " << repeat;
  }
}

const ticks target = parmap::detail::to_ticks(chunk_pacer::target);

TEST(chunk_pacer, begins_with_one_task) {
  for (const unsigned workers : {1U, 2U, 7U, 64U, 100'000U})
    for (const round_index left : {1U, 2U, 100U, greatest}) EXPECT_EQ(chunk_pacer(workers).chunk(left), 1U);
  EXPECT_TRUE(chunk_pacer(2).take_longer(1, 1'000'000));  // nobody knows yet
}

TEST(chunk_pacer, grows_sixteenfold_at_most_but_for_what_takes_two_microseconds) {
  chunk_pacer pace(1);
  pace.ran(1000, target / 100);
  EXPECT_EQ(pace.chunk(greatest), 16'000U);
  chunk_pacer other(1);
  for (const ticks tasks : {ticks{16}, ticks{300}}) {
    const ticks each =
        target / 25 / tasks;  // so many take 2 us, but for the rest of the division: a tick is about 1 ns
    other.ran(1, each);
    EXPECT_NEAR(other.chunk(greatest), static_cast<double>(target) / 25 / static_cast<double>(each), 1);
  }
  other.ran(1, target / 4);
  EXPECT_NEAR(other.chunk(greatest), 4, 1);
}

TEST(chunk_pacer, converges_to_the_target) {
  for (const unsigned workers : {1U, 2U, 16U})
    for (const ticks each : {ticks{1}, ticks{3}, ticks{50}, ticks{1000}, target / 3, target, 10 * target}) {
      chunk_pacer pace(workers);
      const auto ideal = std::max<ticks>(target / each, 1);
      round_index chunk = 1;
      for (ticks reached = 1; reached < ideal; reached *= 16) {
        pace.ran(chunk, chunk * each);
        chunk = pace.chunk(greatest);
      }
      for (int k = 0; k < 10; ++k) {
        pace.ran(chunk, chunk * each);
        chunk = pace.chunk(greatest);
        EXPECT_NEAR(chunk, static_cast<double>(ideal), 1.0) << each << " ticks a task";
      }
      EXPECT_TRUE(pace.take_longer(1000, 1000 * each - each / 2 - 1));
      EXPECT_FALSE(pace.take_longer(1000, 1000 * each + each / 2 + 1));
    }
}

TEST(chunk_pacer, shrinks_at_once_when_tasks_turn_long) {
  chunk_pacer pace(2);
  for (int k = 0; k < 8; ++k) pace.ran(pace.chunk(greatest), pace.chunk(greatest) * ticks{10});
  const round_index before = pace.chunk(greatest);
  ASSERT_GT(before, 1000U);
  pace.ran(before, before * ticks{1000});
  EXPECT_LE(pace.chunk(greatest), target / 1000 + 1);
  pace.ran(1, 100 * target);
  EXPECT_EQ(pace.chunk(greatest), 1U);
}

TEST(chunk_pacer, the_end_is_cut_finely) {
  chunk_pacer pace(2);
  for (int k = 0; k < 8; ++k) pace.ran(pace.chunk(greatest), pace.chunk(greatest) * (target / 1000));
  EXPECT_NEAR(pace.chunk(greatest), 1000, 10);
  EXPECT_EQ(pace.chunk(400), 100U);  // a quarter for two workers
  EXPECT_EQ(pace.chunk(200), 50U);
  // below a fiftieth of the target a claim costs as much as it can balance
  EXPECT_NEAR(pace.chunk(60), 20, 1);
  EXPECT_EQ(pace.chunk(30), 15U);  // but never more than a worker's part
  EXPECT_EQ(pace.chunk(7), 4U);
}

TEST(chunk_pacer, easy_inputs_do_not_stand_for_the_rest) {
  for (const unsigned workers : {2U, 8U, 64U}) {
    chunk_pacer pace(workers);
    for (round_index left = 1000; left > 0;) {
      const round_index chunk = pace.chunk(left);
      EXPECT_LE(chunk, (left + workers - 1) / workers) << "of " << left << " by " << workers;
      pace.ran(chunk, 1);
      left -= chunk;
    }
  }
}

TEST(chunk_pacer, stays_within_its_bounds) {
  check_property([] {
    const auto workers =
        *rc::gen::weightedOneOf<unsigned>({{3, rc::gen::inRange(1U, 65U)}, {1, rc::gen::inRange(65U, 1U << 20)}});
    const double exact = static_cast<double>(chunk_pacer::target.count()) * parmap::detail::ticks_per_us();
    const double floor = exact / 50 * std::max(1.0, workers / 16.0);
    chunk_pacer pace(workers);
    auto left = *rc::gen::inRange<round_index>(1, greatest);
    for (const unsigned shift : *rc::gen::container<std::vector<unsigned>>(rc::gen::inRange(0U, 40U))) {
      const round_index chunk = pace.chunk(left);
      RC_ASSERT(chunk >= 1U);
      RC_ASSERT(chunk <= left);
      const ticks spent = (ticks{1} << shift) - 1;
      pace.ran(chunk, spent);
      const double each = std::max(static_cast<double>(spent), 1.0) / chunk;

      const round_index next = pace.chunk(greatest);
      RC_ASSERT(next <= std::max(chunk * 16.0, exact / 25 / each * 1.001 + 1));
      RC_ASSERT(next <= std::max({1.0, exact / each, floor / each}) + 1);
      const double part = (left - 1) / workers + 1;
      RC_ASSERT(pace.chunk(left) <= std::max({1.0, part / 2, std::min(part, floor / each + 1)}));
      left = std::max(left - chunk, 1U);
    }
  });
}

}  // namespace
