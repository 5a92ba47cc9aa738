// SPDX-License-Identifier: MIT
// Tasks that are submitted to a pool one by one, and their futures.
#include "faults/watchdog.hpp"
#include "leftovers.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <signal.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

class pool_submit : public leftovers::none {};

int add(int a, int b) { return a + b; }
int sleep_long(int k) {
  std::this_thread::sleep_for(1000s);
  return k;
}

TEST_F(pool_submit, returns_values_in_any_order) {
  const parmap::pool workers({.workers = 2});
  std::vector<parmap::future<int>> all;
  for (int k = 0; k < 2000; ++k) all.push_back(workers.submit(add, k, 1));
  for (int k = 1999; k >= 0; --k) {
    parmap::future<int>& each = all[static_cast<std::size_t>(k)];
    EXPECT_EQ(each.number(), static_cast<std::uint64_t>(k));
    EXPECT_EQ(each.get(), k + 1);
    EXPECT_FALSE(each.valid());
  }
  auto text = workers.submit([](std::string a, int n) { return a + std::to_string(n); }, std::string("x"), 3);
  EXPECT_TRUE(text.wait_for(100s));
  EXPECT_EQ(*text.outcome(), "x3");
  EXPECT_EQ(text.get(), "x3");
  workers.submit([] {}).get();
  EXPECT_EQ(workers.submit(parmap::fargs(add, 5), 1).get(), 6);
}

TEST_F(pool_submit, fails_alone) {
  const parmap::pool workers({.timeout = 200ms, .workers = 2});
  auto crash = workers.submit([](int, const std::string&) -> int { std::abort(); }, 7, std::string("q"));
  auto hang = workers.submit(sleep_long, 1);
  auto thrown = workers.submit([]() -> int { throw std::runtime_error("no"); });
  auto fine = workers.submit(add, 1, 1);
  EXPECT_EQ(fine.get(), 2);
  EXPECT_EQ(crash.outcome().error().kind, parmap::failure::crashed);
  EXPECT_EQ(crash.outcome().error().inputs, "7, \"q\"");
  EXPECT_EQ(hang.outcome().error().kind, parmap::failure::timed_out);
  EXPECT_THROW(thrown.get(), parmap::task_failed);
}

TEST_F(pool_submit, has_the_random_numbers_of_its_number) {
  const parmap::pool workers({.seed = 5, .workers = 2});
  const auto draw = [](parmap::context& self) { return self.rng()(); };
  std::vector<parmap::future<std::uint64_t>> all;
  for (int k = 0; k < 20; ++k) all.push_back(workers.submit(draw));
  const auto numbers = parmap::map(parmap::serial, [](parmap::context& self, int) { return self.rng()(); },
                                   std::views::iota(0, 20), {.seed = 5});
  for (std::size_t k = 0; k < 20; ++k) EXPECT_EQ(all[k].get(), numbers[k]);
}

TEST_F(pool_submit, is_cancelled_before_it_begins_and_killed_after_that) {
  const parmap::pool workers({.workers = 1});
  auto running = workers.submit(sleep_long, 1);
  std::vector<parmap::future<int>> waiting;
  for (int k = 0; k < 100; ++k) waiting.push_back(workers.submit(add, k, k));
  for (std::size_t k = 1; k < 100; ++k) EXPECT_TRUE(waiting[k].cancel()) << k;
  EXPECT_FALSE(running.wait_for(1ms));
  running.kill();
  EXPECT_EQ(running.outcome().error().kind, parmap::failure::stopped);
  EXPECT_EQ(waiting[0].get(), 0);
  for (std::size_t k = 1; k < 100; ++k) EXPECT_EQ(waiting[k].outcome().error().kind, parmap::failure::stopped);
  auto done = workers.submit(add, 1, 2);
  done.wait();
  EXPECT_FALSE(done.cancel());
  done.kill();
  EXPECT_EQ(done.get(), 3);
}

// A scan of all that wait, for each of them, would take minutes.
TEST_F(pool_submit, many_are_cancelled_in_any_order) {
  constexpr std::size_t count = 60'000;
  watchdog dog(60s);
  const parmap::pool workers({.workers = 1});
  auto running = workers.submit(sleep_long, 1);
  std::vector<parmap::future<int>> waiting;
  for (std::size_t k = 0; k < count; ++k) waiting.push_back(workers.submit(add, static_cast<int>(k), 1));
  std::size_t cancelled = 0;
  for (std::size_t k = count; k-- > 0;) cancelled += waiting[k].cancel() ? 1 : 0;
  EXPECT_GE(cancelled, count - 1);
  running.kill();
  std::size_t stopped = 0;
  for (auto& each : waiting) stopped += each.outcome() ? 0 : 1;
  EXPECT_EQ(stopped, cancelled);
}

TEST_F(pool_submit, may_outlive_the_pool) {
  std::optional<parmap::pool> workers(std::in_place, parmap::pool_options{.workers = 1});
  auto first = workers->submit(add, 1, 2);
  first.wait();
  auto second = workers->submit(sleep_long, 1);
  workers.reset();
  EXPECT_EQ(first.get(), 3);
  EXPECT_EQ(second.outcome().error().kind, parmap::failure::stopped);
}

TEST_F(pool_submit, goes_on_beside_maps_of_other_threads) {
  const parmap::pool workers({.workers = 2});
  std::vector<std::thread> others;
  for (int t = 0; t < 3; ++t)
    others.emplace_back([&workers, t] {
      for (int k = 0; k < 200; ++k)
        if (t == 0) EXPECT_EQ(parmap::map(workers, [](int x) { return -x; }, std::vector{k, 1}).value()[0], -k);
        else EXPECT_EQ(workers.submit(add, t, k).get(), t + k);
    });
  for (std::thread& each : others) each.join();
}

}  // namespace
