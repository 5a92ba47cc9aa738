// SPDX-License-Identifier: MIT
// Load: many workers beside other busy processes, 10^8 tasks in one map, a thousand maps in a row without growth.
#include "busy_processes.hpp"
#include "engines.hpp"
#include "leftovers.hpp"
#include "resource_count.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

class load_test : public leftovers::none {};

std::uint64_t some_work(std::uint64_t i) {
  std::uint64_t x = i + 1;
  for (std::uint64_t k = 0; k < 1000 + i % 5000; ++k) x = x * 6364136223846793005U + 1442695040888963407U;
  return x;
}

TEST_F(load_test, workers_by_the_dozen_beside_busy_neighbours) {
  constexpr std::uint64_t n = 50'000;
  const busy_processes busy(2 * std::thread::hardware_concurrency());
  const auto kind_of = [](std::uint64_t i) -> int { return i % 1000 == 999 ? static_cast<int>(i / 1000 % 5) : -1; };
  const auto f = [&](std::uint64_t i) {
    switch (kind_of(i)) {
      case 0: throw std::runtime_error("task " + std::to_string(i));
      case 1: ::_exit(7);
      case 2: std::exit(8);
      case 3: ::kill(::getpid(), SIGKILL); break;
      case 4: std::abort();
      default: break;
    }
    return std::to_string(some_work(i));
  };
  const auto all = parmap::map(f, std::views::iota(std::uint64_t{0}, n), {.workers = 24});
  ASSERT_EQ(all.failures().size(), n / 1000);
  for (const failure& why : all.failures()) {
    const int kind = kind_of(why.index);
    ASSERT_GE(kind, 0) << why;
    EXPECT_EQ(why.kind, kind == 0 ? failure::threw : kind < 3 ? failure::exited : failure::crashed) << why;
    if (kind == 0) {
      EXPECT_EQ(why.message, "std::runtime_error: task " + std::to_string(why.index));
    }
  }
  for (std::uint64_t i = 0; i < n; ++i)
    if (kind_of(i) < 0) {
      ASSERT_EQ(all[i], std::to_string(some_work(i)));
    }
}

TEST_F(load_test, late_tasks_among_dozens_of_workers_beside_busy_neighbours) {
  const busy_processes busy(2 * std::thread::hardware_concurrency());
  const auto f = [](std::uint64_t i) {
    while (i % 100 == 50) ::pause();
    return some_work(i);
  };
  const auto all =
      parmap::map(f, std::views::iota(std::uint64_t{0}, std::uint64_t{2000}), {.timeout = 3s, .workers = 24});
  ASSERT_EQ(all.failures().size(), 20U);
  for (const failure& why : all.failures()) {
    EXPECT_EQ(why.index % 100, 50U) << why;
    EXPECT_EQ(why.kind, failure::timed_out) << why;
  }
  for (std::uint64_t i = 0; i < all.size(); ++i)
    if (i % 100 != 50) {
      ASSERT_EQ(all[i], some_work(i));
    }
}

constexpr std::uint32_t many = 100'000'000;
constexpr std::uint8_t small_result(std::uint32_t i) { return static_cast<std::uint8_t>((i * 2654435761U) >> 24); }

template <class Results>
void check_many(const Results& all, const std::vector<std::uint64_t>& failed) {
  ASSERT_EQ(all.size(), many);
  ASSERT_EQ(all.failures().size(), failed.size());
  for (std::size_t k = 0; k < failed.size(); ++k) EXPECT_EQ(all.failures()[k].index, failed[k]);
  std::uint32_t next = 0;
  std::uint64_t wrong = 0;
  for (const std::uint8_t value : all.values()) {
    for (const std::uint64_t each : failed) next += next == each ? 1 : 0;
    wrong += value == small_result(next++) ? 0 : 1;
  }
  EXPECT_EQ(next, many);
  EXPECT_EQ(wrong, 0U);
}

TEST_F(load_test, a_hundred_million_tasks_on_multi) {
  const auto f = [](std::uint32_t i) {
    if (i == 12'345'678) ::_exit(1);
    if (i == 50'000'000) throw i;
    if (i == 77'777'777) ::raise(SIGKILL);
    return small_result(i);
  };
  check_many(parmap::map(f, std::views::iota(0U, many)), {12'345'678, 50'000'000, 77'777'777});
}

TEST_F(load_test, a_hundred_million_tasks_on_threads) {
  const auto f = [](std::uint32_t i) {
    if (i == 12'345'678 || i == 50'000'000) throw i;
    return small_result(i);
  };
  check_many(parmap::map(parmap::threads, f, std::views::iota(0U, many)), {12'345'678, 50'000'000});
}

TEST_F(load_test, a_hundred_million_tasks_without_results) {
  const auto f = [](std::uint32_t i) {
    if (i == 99'999'999) std::abort();
  };
  const auto all = parmap::map(parmap::multi, f, std::views::iota(0U, many));
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 99'999'999U);
}

// Runs four small maps: plain, encoded, with a crashed task, with a time limit. Returns whether all are right.
bool small_maps_are_right() {
  const auto input = std::views::iota(0, 20);
  const auto twice = [](int i) { return 2 * i; };
  const auto plain = parmap::map(twice, input);
  const auto text = parmap::map([](int i) { return std::string(100, static_cast<char>('a' + i)); }, input);
  const auto crashed = parmap::map(
      [](int i) {
        if (i == 7) ::raise(SIGKILL);
        return i;
      },
      input);
  const auto limited = parmap::map(twice, input, {.timeout = 60s, .workers = 1});
  return plain.ok() && plain[19] == 38 && text.ok() && text[19] == std::string(100, 't') && limited.ok() &&
         limited[19] == 38 && crashed.failures().size() == 1 && crashed.failures()[0].index == 7 && crashed[19] == 19;
}

TEST_F(load_test, a_thousand_maps_in_a_row_grow_nothing) {
  resources::count warm;
  for (int k = 0; k < 1000; k += 4) {
    if (k == 100) warm = resources::now();
    ASSERT_TRUE(small_maps_are_right()) << "from map " << k;
  }
  const resources::count after = resources::now();
  std::cout << after << '\n';
  EXPECT_EQ(resources::growth(warm, after, {.mappings = 4, .threads = 0, .allocated_kb = 64, .resident_kb = 2048}), "");
}

TEST_F(load_test, a_thousand_maps_from_several_threads_grow_nothing) {
  constexpr int callers = 4;
  resources::count warm;
  resources::count after;
  std::atomic<int> wrong{0};
  {
    std::barrier together(callers);
    std::vector<std::jthread> all;
    for (int number = 0; number < callers; ++number)
      all.emplace_back([&, number] {
        for (int k = 0; k <= 1000 / callers; k += 4) {
          if (k == 48 || k == 248) {  // no thread is in a map while the resources are counted
            together.arrive_and_wait();
            if (number == 0) (k == 48 ? warm : after) = resources::now();
            together.arrive_and_wait();
          }
          if (!small_maps_are_right()) ++wrong;
        }
      });
  }
  EXPECT_EQ(wrong, 0);
  std::cout << after << '\n';
  // Each thread has its own heap, which may grow by a mapping or two.
  EXPECT_EQ(resources::growth(warm, after, {.mappings = 16, .threads = 0, .allocated_kb = 256, .resident_kb = 4096}),
            "");
}

}  // namespace
