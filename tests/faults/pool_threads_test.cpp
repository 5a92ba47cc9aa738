// SPDX-License-Identifier: MIT
// Several threads on one pool: who waits is woken, whoever collects; streams that nobody reads; futures that are
// cancelled and killed at random moments.
#include "leftovers.hpp"
#include "shared_counters.hpp"
#include "watchdog.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <optional>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

class pool_threads_test : public leftovers::none {
 protected:
  watchdog dog_{60s};
};

int take(int microseconds) {
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  return microseconds;
}
int twice(int x) { return 2 * x; }
int hang(int) {
  for (;;) ::pause();
}

const shared_counters* begun{};  // a pool that is made when it is set has it, too

// One of them collects for all. The thread that is woken when it leaves may itself be at its end.
TEST_F(pool_threads_test, who_waits_is_woken_when_the_others_have_ended) {
  const parmap::pool workers({.workers = 2});
  constexpr int rounds = 1500;
  std::barrier together(3);
  std::vector<std::jthread> all;
  for (int t = 0; t < 3; ++t)
    all.emplace_back([&, t] {
      for (int round = 0; round < rounds; ++round) {
        together.arrive_and_wait();
        if (t == 0) dog_.pat();
        if (t == 2) {
          EXPECT_EQ(workers.submit(take, 300).get(), 300);
          continue;
        }
        const std::vector<int> times(static_cast<std::size_t>(t + 1), 100 * (t + 1));
        EXPECT_EQ(parmap::map(workers, take, times, {.reporter = parmap::report::silent}).value(), times);
      }
    });
}

// The thread that is woken to collect may at that moment run out of patience.
TEST_F(pool_threads_test, who_waits_is_woken_when_another_loses_patience) {
  const parmap::pool workers({.workers = 3});
  constexpr int rounds = 500;
  auto never = workers.submit(hang, 0);
  std::barrier together(3);
  std::vector<std::jthread> all;
  all.emplace_back([&] {
    std::mt19937 random(20261130);
    for (int round = 0; round < rounds; ++round) {
      together.arrive_and_wait();
      dog_.pat();
      EXPECT_FALSE(never.wait_for(std::chrono::microseconds(random() % 1000)));
    }
  });
  for (int t = 0; t < 2; ++t)
    all.emplace_back([&, t] {
      const std::vector<int> times(1, t == 0 ? 300 : 1200);
      for (int round = 0; round < rounds; ++round) {
        together.arrive_and_wait();
        EXPECT_EQ(parmap::map(workers, take, times, {.reporter = parmap::report::silent}).value(), times);
      }
    });
}

TEST_F(pool_threads_test, every_kind_of_use_at_once) {
  const parmap::pool workers({.workers = 3});
  std::vector<std::jthread> all;
  std::atomic<int> right{0};
  constexpr int rounds = 60;
  const auto f = [](int x) {
    if (x % 10 == 3) std::abort();
    if (x % 10 == 7) throw std::runtime_error("seven");
    return 2 * x;
  };
  const auto is_right = [](std::uint64_t i, const parmap::outcome<int>& it) {
    if (i % 10 == 3) return !it && it.error().kind == failure::crashed && it.error().index == i;
    if (i % 10 == 7) return !it && it.error().kind == failure::threw && it.error().index == i;
    return it && *it == static_cast<int>(2 * i);
  };
  all.emplace_back([&] {
    for (int round = 0; round < rounds; ++round) {
      const auto some = parmap::map(workers, f, std::views::iota(0, 20));
      bool good = some.failures().size() == 4;
      for (std::uint64_t i = 0; i < 20; ++i)
        if (const int* const value = some.get_if(i)) good = good && *value == static_cast<int>(2 * i);
      right += good ? 1 : 0;
      dog_.pat();
    }
  });
  all.emplace_back([&] {
    for (int round = 0; round < rounds; ++round) {
      std::uint64_t count = 0;
      bool good = true;
      for (auto&& [index, outcome] : parmap::stream(workers, f, std::views::iota(0, 20), {.ordered = round % 2 == 0})) {
        good = good && is_right(index, outcome);
        ++count;
      }
      right += good && count == 20 ? 1 : 0;
    }
  });
  all.emplace_back([&] {
    for (int round = 0; round < rounds; ++round) {
      std::vector<parmap::future<int>> some;
      for (int i = 0; i < 20; ++i) some.push_back(workers.submit(f, i));
      bool good = true;
      for (std::size_t i = 20; i-- > 0;) {
        const auto& it = some[i].outcome();
        good = good && (it ? *it == static_cast<int>(2 * i)
                           : it.error().kind == (i % 10 == 3 ? failure::crashed : failure::threw));
      }
      right += good ? 1 : 0;
    }
  });
  all.emplace_back([&] {
    for (int round = 0; round < rounds; ++round) {
      right += parmap::map_reduce(workers, twice, std::plus(), 0, std::views::iota(0, 100)).value() == 9900 ? 1 : 0;
    }
  });
  all.clear();
  EXPECT_EQ(right, 4 * rounds);
}

TEST_F(pool_threads_test, streams_that_nobody_reads_hold_nobody_up) {
  const parmap::pool workers({.workers = 2});
  const auto large = [](int i) { return std::string(1 << 20, static_cast<char>('a' + i % 26)); };
  auto unread = parmap::stream(workers, large, std::views::iota(0, 100), {.ordered = true});
  auto endless = parmap::stream(workers, twice, std::views::iota(0));
  auto window = parmap::stream(workers, large, std::views::iota(0), {.window = 3});
  EXPECT_TRUE((*window.begin()).outcome);
  for (int round = 0; round < 100; ++round) {
    EXPECT_EQ(parmap::map(workers, twice, std::vector{round, 1}).value(), (std::vector{2 * round, 2}));
    EXPECT_EQ(workers.submit(twice, round).get(), 2 * round);
    dog_.pat();
  }
  EXPECT_EQ(parmap::map(workers, large, std::views::iota(0, 20)).value()[3], large(3));
  std::uint64_t next = 0;
  for (auto&& [index, outcome] : unread) {
    EXPECT_EQ(index, next++);
    EXPECT_TRUE(outcome && *outcome == large(static_cast<int>(index)));
  }
  EXPECT_EQ(next, 100U);
}

// A future that is killed or cancelled at a random moment has a value, or was stopped: the latter if cancel() says so,
// and only then. What had begun has no second life.
TEST_F(pool_threads_test, futures_end_at_random_moments) {
  const shared_counters page;
  begun = &page;
  const parmap::pool workers({.workers = 2});
  const auto count = [](int microseconds) {
    ++(*begun)[0];
    return take(microseconds);
  };
  std::mt19937 random(20261130);
  int values = 0;
  int stopped = 0;
  for (int round = 0; round < 2000; ++round) {
    page[0] = 0;
    const int length = static_cast<int>(random() % 300);
    auto it = workers.submit(count, length);
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 400);
    while (std::chrono::steady_clock::now() < until) {
    }
    const bool kills = random() % 2 == 0;
    const bool never_ran = !kills && it.cancel();
    if (kills) it.kill();
    const parmap::outcome<int>& how = it.outcome();
    (how ? values : stopped) += 1;
    if (how) {
      EXPECT_EQ(*how, length);
    } else {
      EXPECT_EQ(how.error().kind, failure::stopped) << how.error();
    }
    if (!kills) {  // cancel() says what will be
      EXPECT_EQ(never_ran, !how);
      EXPECT_EQ(page[0], never_ran ? 0 : 1);
    }
    EXPECT_LE(page[0], 1);
    dog_.pat();
  }
  std::cout << values << " values, " << stopped << " stopped\n";
  EXPECT_EQ(values + stopped, 2000);
  EXPECT_EQ(parmap::map(workers, twice, std::vector{1, 2}).value(), (std::vector{2, 4}));
}

TEST_F(pool_threads_test, a_task_that_cannot_be_cancelled_can_still_be_killed) {
  const shared_counters page;
  begun = &page;
  const parmap::pool workers({.workers = 1});
  auto it = workers.submit(
      [](int) {
        ++(*begun)[0];
        return hang(0);
      },
      0);
  while (page[0] == 0) std::this_thread::sleep_for(1ms);
  for (int k = 0; k < 3; ++k) EXPECT_FALSE(it.cancel());
  it.kill();
  EXPECT_EQ(it.outcome().error().kind, failure::stopped);
}

// The same beside other futures of the same thread and of others, none of which may be touched.
TEST_F(pool_threads_test, a_kill_costs_nobody_else) {
  const parmap::pool workers({.workers = 3});
  std::vector<std::jthread> all;
  std::atomic<int> right{0};
  for (int t = 0; t < 3; ++t)
    all.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int round = 0; round < 150; ++round) {
        std::vector<parmap::future<int>> some;
        for (int k = 0; k < 8; ++k) some.push_back(workers.submit(k % 4 == 2 ? hang : take, 20 * k));
        std::this_thread::yield();
        for (const std::size_t k : {std::size_t{2}, std::size_t{6}})
          if (random() % 2 == 0 || !some[k].cancel()) some[k].kill();
        bool good = true;
        for (std::size_t k = 0; k < 8; ++k) {
          const parmap::outcome<int>& it = some[k].outcome();
          good =
              good && (k % 4 == 2 ? !it && it.error().kind == failure::stopped : it && *it == static_cast<int>(20 * k));
        }
        right += good ? 1 : 0;
        dog_.pat();
      }
    });
  all.clear();
  EXPECT_EQ(right, 450);
}

TEST_F(pool_threads_test, outlives_the_thread_that_made_it) {
  std::optional<parmap::pool> workers;
  std::thread([&] {
    workers.emplace(parmap::pool_options{.workers = 2});
    EXPECT_EQ(parmap::map(*workers, twice, std::vector{1}).value(), std::vector{2});
  }).join();
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(parmap::map(*workers, [](int) -> int { std::abort(); }, std::vector{1, 2}).failures().size(), 2U);
    EXPECT_EQ(parmap::map(*workers, twice, std::vector{1}).value(), std::vector{2});
  }
}

TEST_F(pool_threads_test, dropped_futures_are_nobodys_loss) {
  const parmap::pool workers({.workers = 2});
  for (int round = 0; round < 200; ++round) {
    static_cast<void>(workers.submit(take, 10));
    static_cast<void>(workers.submit([](int) -> int { std::abort(); }, round));
    auto kept = workers.submit(twice, round);
    if (round % 10 == 0) {
      EXPECT_EQ(kept.get(), 2 * round);
    }
    dog_.pat();
  }
  EXPECT_EQ(parmap::map(workers, twice, std::vector{1}).value(), std::vector{2});
}

}  // namespace
