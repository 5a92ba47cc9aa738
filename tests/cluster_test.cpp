// SPDX-License-Identifier: MIT
// The protocol between the ranks of a cluster, with ranks that are threads of this process.
#include "cluster/ranks_in_threads.hpp"

#include <gtest/gtest.h>
#include <parmap/map.hpp>
#include <parmap/map_reduce.hpp>

#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using cluster::no_errors;
using cluster::on_ranks;
using parmap::detail::inner_way;
using parmap::detail::value_target;

constexpr int some_ranks[] = {1, 2, 3, 5};
std::string word(parmap::context& self, int x) {
  return std::to_string(x) + ':' + std::to_string(self.rng()()) + ':' + std::to_string(self.index());
}

class ways : public testing::TestWithParam<inner_way> {};
INSTANTIATE_TEST_SUITE_P(cluster, ways, testing::Values(inner_way::multi, inner_way::threads, inner_way::serial),
                         [](const auto& of) { return to_text(of.param); });

TEST_P(ways, values_and_random_numbers_are_those_of_one_machine) {
  const auto xs = std::views::iota(0, 1000);
  const auto expected = parmap::map(parmap::threads, word, xs, {.seed = 5}).value();
  for (const int ranks : some_ranks)
    for (const auto target : {value_target::rank_0, value_target::every_rank}) {
      const auto errors = on_ranks(ranks, [&](cluster::engine who) {
        who.inner = GetParam();
        who.target = target;
        const auto made = parmap::map(who, word, xs, {.seed = 5});
        EXPECT_TRUE(made.ok());
        EXPECT_EQ(made.size(), 1000U);
        EXPECT_EQ(made.seed(), 5U);
        if (target == value_target::every_rank || who.link->rank() == 0) {
          EXPECT_EQ(made.value(), expected);
        } else {
          EXPECT_THROW(static_cast<void>(made.value()), std::logic_error);
          EXPECT_THROW(static_cast<void>(made.value_or("")), std::logic_error);
          EXPECT_THROW(static_cast<void>(made.values()), std::logic_error);
          EXPECT_THROW(static_cast<void>(made.outcomes()), std::logic_error);
          EXPECT_THROW(static_cast<void>(made[3]), std::logic_error);
          EXPECT_EQ(made.get_if(3), nullptr);
          EXPECT_TRUE(made.here().empty());
        }
      });
      EXPECT_EQ(errors, no_errors(ranks));
    }
}

TEST_P(ways, failures_are_the_same_on_every_rank) {
  const auto f = [](int x) {
    if (x % 7 == 3) throw std::runtime_error("odd " + std::to_string(x));
    return 0.5 * x;
  };
  const auto xs = std::views::iota(0, 500);
  for (const int ranks : some_ranks) {
    const auto errors = on_ranks(ranks, [&](cluster::engine who) {
      who.inner = GetParam();
      const auto made = parmap::map(who, f, xs);
      EXPECT_FALSE(made.ok());
      ASSERT_EQ(made.failures().size(), 71U);
      std::uint64_t next = 3;
      for (const parmap::failure& why : made.failures()) {
        EXPECT_EQ(why.index, next);
        EXPECT_EQ(why.kind, parmap::failure::threw);
        EXPECT_EQ(why.message, "std::runtime_error: odd " + std::to_string(next));
        EXPECT_EQ(why.inputs, std::to_string(next));
        EXPECT_EQ(why.place.empty(), ranks == 1);
        next += 7;
      }
      EXPECT_THROW(static_cast<void>(made.value()), parmap::map_failed);
      if (who.link->rank() == 0) {
        const auto all = made.value_or(-1);
        for (int x : xs) ASSERT_EQ(all[static_cast<std::size_t>(x)], x % 7 == 3 ? -1 : 0.5 * x);
      }
      EXPECT_EQ(made.summary().completed, 429U);
    });
    EXPECT_EQ(errors, no_errors(ranks));
  }
}

TEST_P(ways, values_may_stay_where_they_were_made) {
  const auto xs = std::views::iota(0, 300);
  for (const int ranks : some_ranks) {
    std::mutex mutex;
    std::vector<int> seen(300);
    const auto errors = on_ranks(ranks, [&](cluster::engine who) {
      who.inner = GetParam();
      who.target = value_target::nowhere_else;
      const auto made = parmap::map(
          who,
          [](int x) {
            if (x == 100) throw 1;
            return std::string(static_cast<std::size_t>(x), 'x');
          },
          xs);
      EXPECT_EQ(made.failures().size(), 1U);
      const std::lock_guard lock(mutex);
      for (const auto& [b, e] : made.here())
        for (std::uint64_t i = b; i < e; ++i) {
          EXPECT_EQ(made[i].size(), i);
          ++seen[i];
        }
      EXPECT_THROW(static_cast<void>(made[100]), parmap::task_failed);
    });
    EXPECT_EQ(errors, no_errors(ranks));
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i == 100 ? 0 : 1) << i;
  }
}

TEST(cluster, no_task_runs_twice_and_none_is_left_out) {
  std::vector<std::atomic<int>> ran(20'000);
  const auto errors = on_ranks(4, [&](cluster::engine who) {
    const auto made =
        parmap::map(who, [&](int x) { return ++ran[static_cast<std::size_t>(x)]; }, std::views::iota(0, 20'000));
    EXPECT_TRUE(made.ok());
  });
  EXPECT_EQ(errors, no_errors(4));
  for (const auto& each : ran) ASSERT_EQ(each.load(), 1);
}

TEST(cluster, a_map_has_few_tasks_or_none_and_many_follow_each_other) {
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    for (int n = 0; n < 40; ++n) {
      who.target = n % 2 == 0 ? value_target::rank_0 : value_target::every_rank;
      const auto made = parmap::map(who, [n](int x) { return x + n; }, std::views::iota(0, n % 5));
      EXPECT_EQ(made.size(), static_cast<std::uint64_t>(n % 5));
      if (n % 2 == 1 || who.link->rank() == 0) {
        const auto all = made.value();
        for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], static_cast<int>(i) + n);
      }
    }
  });
  EXPECT_EQ(errors, no_errors(3));
}

TEST(cluster, a_fresh_seed_is_the_same_everywhere) {
  std::mutex mutex;
  std::vector<std::uint64_t> seeds;
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    const auto made = parmap::map(who, word, std::views::iota(0, 10));
    const std::lock_guard lock(mutex);
    seeds.push_back(made.seed());
  });
  EXPECT_EQ(errors, no_errors(3));
  EXPECT_EQ(seeds, std::vector<std::uint64_t>(3, seeds[0]));
}

TEST(cluster, functions_that_return_nothing) {
  std::atomic<int> sum{0};
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    const auto made = parmap::map(who, [&](int x) { sum += x; }, std::views::iota(0, 100));
    made.value();
    EXPECT_EQ(made.size(), 100U);
  });
  EXPECT_EQ(errors, no_errors(3));
  EXPECT_EQ(sum.load(), 4950);
}

TEST(cluster, a_reduction_has_the_bits_of_one_machine_on_every_rank) {
  const auto f = [](parmap::context& self, int x) {
    if (x == 600) throw std::runtime_error("no");
    return x + 0.1 * static_cast<double>(self.rng()() % 1000);
  };
  const auto xs = std::views::iota(0, 3000);
  const auto expected = parmap::map_reduce(parmap::threads, f, std::plus{}, 0.1, xs, {.seed = 3});
  for (const int ranks : some_ranks) {
    const auto errors = on_ranks(ranks, [&](cluster::engine who) {
      const auto made = parmap::map_reduce(who, f, std::plus{}, 0.1, xs, {.seed = 3});
      ASSERT_EQ(made.failures().size(), 1U);
      EXPECT_EQ(made.failures()[0].index, 600U);
      EXPECT_EQ(std::bit_cast<std::uint64_t>(made.partial()), std::bit_cast<std::uint64_t>(expected.partial()));
    });
    EXPECT_EQ(errors, no_errors(ranks));
  }
}

TEST(cluster, a_crash_and_a_task_without_end_cost_themselves) {
  const auto f = [](int x) {
    if (x == 5) std::abort();
    if (x == 9) std::_Exit(3);
    volatile bool for_ever = x == 14;
    while (for_ever) {
    }
    return x;
  };
  const auto errors = on_ranks(2, [&](cluster::engine who) {
    who.inner = inner_way::multi;
    const auto made = parmap::map(who, f, std::views::iota(0, 40), {.timeout = std::chrono::milliseconds(300)});
    ASSERT_EQ(made.failures().size(), 3U);
    EXPECT_EQ(made.failures()[0].index, 5U);
    EXPECT_EQ(made.failures()[0].kind, parmap::failure::crashed);
    EXPECT_EQ(made.failures()[1].index, 9U);
    EXPECT_EQ(made.failures()[1].kind, parmap::failure::exited);
    EXPECT_EQ(made.failures()[1].status, 3);
    EXPECT_EQ(made.failures()[2].index, 14U);
    EXPECT_EQ(made.failures()[2].kind, parmap::failure::timed_out);
  });
  EXPECT_EQ(errors, no_errors(2));
}

TEST(cluster, large_values_and_many_pieces) {
  for (const auto target : {value_target::rank_0, value_target::every_rank}) {
    const auto errors = on_ranks(4, [&](cluster::engine who) {
      who.target = target;
      const auto made = parmap::map(
          who, [](int x) { return std::vector<int>(static_cast<std::size_t>(x % 3 == 0 ? 500'000 : 10), x); },
          std::views::iota(0, 60));
      if (target == value_target::rank_0 && who.link->rank() != 0) return;
      const auto all = made.value();
      for (int x = 0; x < 60; ++x) {
        ASSERT_EQ(all[static_cast<std::size_t>(x)].size(), x % 3 == 0 ? 500'000U : 10U);
        ASSERT_EQ(all[static_cast<std::size_t>(x)].back(), x);
      }
    });
    EXPECT_EQ(errors, no_errors(4));
  }
}

// Its decode throws where the thread says so, its encode for 113.
thread_local bool cannot_decode = false;
struct fragile {
  int x;
  explicit fragile(int value) : x(value) {}
};

}  // namespace
template <>
struct parmap::codec<fragile> {
  static void encode(parmap::encoder& out, const fragile& it) {
    if (it.x == 113) throw std::runtime_error("cannot write it");
    out.put(it.x);
  }
  static fragile decode(parmap::decoder& in) {
    const int x = in.get<int>();
    if (cannot_decode) throw std::runtime_error("cannot read " + std::to_string(x));
    return fragile(x);
  }
};
namespace {

TEST(cluster, a_rank_that_cannot_read_a_value_throws_and_holds_nobody_up) {
  for (const auto target : {value_target::rank_0, value_target::every_rank}) {
    const auto errors = on_ranks(3, [&](cluster::engine who) {
      who.target = target;
      cannot_decode = who.link->rank() == 0;
      const auto xs = std::views::iota(0, 100);
      const auto f = [](int x) { return fragile(x); };
      if (who.link->rank() == 0) EXPECT_THROW(static_cast<void>(parmap::map(who, f, xs)), std::runtime_error);
      else EXPECT_TRUE(parmap::map(who, f, xs).ok());
      cannot_decode = false;
      EXPECT_TRUE(parmap::map(who, f, xs).ok());
    });
    EXPECT_EQ(errors, no_errors(3));
  }
}

TEST(cluster, a_value_that_cannot_be_encoded_is_a_failure) {
  const auto errors = on_ranks(2, [](cluster::engine who) {
    who.target = value_target::every_rank;
    const auto made = parmap::map(who, [](int x) { return fragile(x); }, std::views::iota(0, 200));
    ASSERT_EQ(made.failures().size(), 1U);
    EXPECT_EQ(made.failures()[0].index, 113U);
    EXPECT_EQ(made.failures()[0].kind, parmap::failure::unencodable);
    EXPECT_EQ(made.failures()[0].message, "encoding its result: std::runtime_error: cannot write it");
    EXPECT_EQ(made[199].x, 199);
  });
  EXPECT_EQ(errors, no_errors(2));
}

}  // namespace
