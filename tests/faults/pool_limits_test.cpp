// SPDX-License-Identifier: MIT
// A pool that is used for long, by large values, with few resources, and with all options together.
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "shared_counters.hpp"
#include "watchdog.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

class pool_limits_test : public leftovers::none {
 protected:
  watchdog dog_{60s};
};

std::vector<pid_t> children_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}
// The kB that a line of /proc/PID/status tells.
long status_of(pid_t pid, const std::string& line) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; file >> word;)
    if (word == line + ":") {
      long kb = 0;
      file >> kb;
      return kb;
    }
  return 0;
}
// The time that a process has run, in ns.
long long time_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/schedstat");
  long long ns = 0;
  file >> ns;
  return ns;
}
int add(int a, int b) { return a + b; }

// Workers wait until outcomes are taken, and have to hear of that.
TEST_F(pool_limits_test, results_that_fill_the_rings) {
  const parmap::pool workers({.workers = 2});
  const auto f = [](int i) { return std::string(200'000, static_cast<char>('a' + i % 26)); };
  const auto all = parmap::map(workers, f, std::views::iota(0, 1000));
  ASSERT_TRUE(all.ok());
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_EQ(all[i], f(static_cast<int>(i)));
  dog_.pat();
  std::uint64_t count = 0;
  for (auto&& each : parmap::stream(workers, f, std::views::iota(0, 1000))) count += each.outcome->size() / 200'000;
  EXPECT_EQ(count, 1000U);
}

TEST_F(pool_limits_test, large_inputs_and_results) {
  const parmap::pool workers({.workers = 2});
  const std::vector<std::string> large(2, std::string(40'000'000, 'x'));
  {
    const auto same = parmap::map(workers, [](const std::string& text) { return text; }, large);
    ASSERT_TRUE(same.ok()) << same.failures();
    EXPECT_TRUE(same[0] == large[0] && same[1] == large[1]);
  }
  dog_.pat();
  EXPECT_EQ(workers.submit([](const std::string& text) { return text.size(); }, large[0]).get(), large[0].size());
  const auto empty = parmap::map(workers, [](int) { return std::string(); }, std::views::iota(0, 10));
  EXPECT_EQ(empty.value(), std::vector<std::string>(10));
}

// After a map with a short limit, too, which the template looks after.
TEST_F(pool_limits_test, an_idle_pool_sleeps) {
  const parmap::pool workers({.workers = 3});
  const auto f = [](int x) { return x; };
  static_cast<void>(parmap::map(workers, f, std::views::iota(0, 100), {.timeout = 200us}));
  const pid_t boss = children_of(::getpid()).at(0);
  const auto spent = [&] {
    long long sum = time_of(boss);
    for (const pid_t each : children_of(boss)) sum += time_of(each);
    return sum;
  };
  // Until the replacements of workers whose task was late, if any, have been made.
  long long before = spent();
  for (long long now = -1; now != before;) {
    before = std::max(now, before);
    std::this_thread::sleep_for(100ms);
    now = spent();
    if (now - before < 1'000'000) break;
    dog_.pat();
  }
  before = spent();
  std::this_thread::sleep_for(1s);
  EXPECT_LT(spent() - before, 10'000'000);  // ns; it was 100 ms and more
}

// How often a process has gone to sleep.
long sleeps_of(pid_t pid) { return status_of(pid, "voluntary_ctxt_switches"); }

// While nobody takes an outcome whose task had a short limit: the template looked again and again, in case another one
// would begin. So it did while a task ran that had no limit.
TEST_F(pool_limits_test, the_template_sleeps_while_no_task_has_a_limit) {
  const parmap::pool workers({.workers = 2});
  const pid_t boss = children_of(::getpid()).at(0);
  const auto f = [](int x) { return x; };
  auto limited = parmap::stream(workers, f, std::views::iota(0, 4), {.timeout = 1ms, .window = 2});
  static_cast<void>(limited.begin());  // which may be late, on a busy machine
  auto runs = workers.submit([](int x) { return ::poll(nullptr, 0, 1'000'000) + x; }, 1);
  for (int times = 0; times < 5;) {  // in a row, as a busy machine may hold it up for one
    const long before = sleeps_of(boss);
    std::this_thread::sleep_for(100ms);
    times = sleeps_of(boss) - before < 3 ? times + 1 : 0;  // it was a hundred
  }
  // The next one that has a limit is late all the same.
  const auto late =
      parmap::map(workers, [](int x) { return ::poll(nullptr, 0, 1'000'000) + x; }, std::vector{1}, {.timeout = 20ms});
  EXPECT_EQ(late.failures()[0].kind, failure::timed_out);
  runs.kill();
}

TEST_F(pool_limits_test, many_functions_and_submitted_tasks_take_no_memory) {
  const parmap::pool workers({.workers = 2});
  auto open = parmap::stream(workers, add, std::views::iota(0, 10), std::views::iota(0, 10));  // its function stays
  EXPECT_TRUE((*open.begin()).outcome);
  const auto f = [](int a, const std::string& text) { return a + static_cast<int>(text.size()); };
  const auto use = [&](int from, int to) {
    for (int k = from; k < to; ++k)
      ASSERT_EQ(workers.submit(parmap::fargs(f, std::string(2000, 'x') + std::to_string(k)), 1).get(),
                static_cast<int>(2001 + std::to_string(k).size()));
  };
  use(0, 1000);
  const long before = status_of(::getpid(), "RssAnon");
  use(1000, 4000);
  EXPECT_LT(status_of(::getpid(), "RssAnon") - before, 3000);  // kB; 3000 functions take 6 MB
}

TEST_F(pool_limits_test, many_small_maps_take_no_memory) {
  const parmap::pool workers({.workers = 2});
  const auto use = [&](int n) {
    for (int k = 0; k < n; ++k)
      ASSERT_EQ(parmap::map(workers, [](int x) { return x + 1; }, std::vector{k, k}).value()[1], k + 1);
  };
  use(3000);
  const long before = status_of(::getpid(), "VmRSS");
  use(6000);
  EXPECT_LT(status_of(::getpid(), "VmRSS") - before, 1000);
}

TEST_F(pool_limits_test, sizes_at_the_ends) {
  for (const unsigned count : {1U, 64U}) {
    const parmap::pool workers({.workers = count});
    const auto f = [](int x) { return 3 * x; };
    EXPECT_EQ(parmap::map(workers, f, std::vector<int>()).size(), 0U);
    EXPECT_EQ(parmap::map(workers, f, std::vector{1}).value(), std::vector{3});
    for (auto&& each : parmap::stream(workers, f, std::vector<int>())) ADD_FAILURE() << each.index;
    const auto all = parmap::map(workers, f, std::views::iota(0, 300'000));
    ASSERT_TRUE(all.ok());
    for (std::uint64_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], static_cast<int>(3 * i));
    dog_.pat();
  }
}

TEST_F(pool_limits_test, a_worker_ends_after_its_tasks) {
  const parmap::pool workers({.max_tasks = 1, .workers = 3});
  const auto f = [](int) { return static_cast<int>(::getpid()); };
  std::vector<int> all = parmap::map(workers, f, std::views::iota(0, 200)).value();
  std::ranges::sort(all);
  EXPECT_TRUE(std::ranges::adjacent_find(all) == all.end());
  EXPECT_EQ(workers.submit(add, 1, 2).get(), 3);
}

// What each option says holds, whatever the others say.
TEST_F(pool_limits_test, all_options_together) {
  const parmap::pool workers({.memory_limit = std::uint64_t{200} << 20, .timeout = 1h, .workers = 3});
  const auto f = [](parmap::context& self, int i) {
    if (i % 11 == 3) throw std::runtime_error("always");
    if (i % 11 == 5 && self.attempt() < 3) std::abort();
    while (i % 11 == 7 && self.attempt() < 2) ::pause();
    if (i % 11 == 9 && self.attempt() < 2) static_cast<void>(std::vector<char>(std::size_t{1} << 30));
    return self.rng()();
  };
  for (const std::uint64_t seed : {1U, 2U}) {
    const auto right = parmap::map(parmap::serial, [](parmap::context& self, int) { return self.rng()(); },
                                   std::views::iota(0, 44), {.seed = seed});
    for (const unsigned count : {1U, 3U}) {
      const auto all =
          parmap::map(workers, f, std::views::iota(0, 44),
                      {.retries = 2, .retry_delay = 1ms, .seed = seed, .timeout = 100ms, .workers = count});
      ASSERT_EQ(all.failures().size(), 4U) << all.failures();
      for (const failure& why : all.failures()) {
        EXPECT_EQ(why.index % 11, 3U) << why;
        EXPECT_EQ(why.attempts, 3U) << why;
      }
      for (std::uint64_t i = 0; i < 44; ++i) {
        if (const auto* const value = all.get_if(i)) {
          EXPECT_EQ(*value, right[i]);
        }
      }
      dog_.pat();
    }
    const auto few = parmap::map(workers, f, std::views::iota(0, 100'000),
                                 {.max_failures = 3, .retries = 1, .seed = seed, .timeout = 50ms});
    EXPECT_EQ(few.size(), 100'000U);
    EXPECT_LE(std::ranges::count_if(few.failures(), [](const failure& why) { return why.kind != failure::stopped; }),
              5);
  }
}

TEST_F(pool_limits_test, a_stop_token_ends_maps_and_streams) {
  const shared_counters counters;
  static const shared_counters* begun = nullptr;
  begun = &counters;
  const parmap::pool workers({.workers = 2});
  const auto f = [](int i) {
    ++(*begun)[0];
    while (i == 1) ::pause();
    return i;
  };
  std::stop_source source;
  const std::jthread stopper([&] {
    while (counters[0] < 2) std::this_thread::sleep_for(1ms);
    source.request_stop();
  });
  const auto all = parmap::map(workers, f, std::views::iota(0, 1000), {.deadline = 500ms, .stop = source.get_token()});
  EXPECT_EQ(all.failures().back().kind, failure::stopped);
  EXPECT_EQ(workers.submit(add, 1, 2).get(), 3);
}

TEST_F(pool_limits_test, no_descriptors_are_left) {
  EXPECT_EQ(in_child([] {
              const parmap::pool before({.workers = 2});
              const rlimit few{3, 3};
              require(::setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
              const std::size_t mappings = leftovers::shared_mappings();
              for (int k = 0; k < 5; ++k)
                static_cast<void>(thrown_by<std::system_error>([] { const parmap::pool refused({.workers = 2}); }));
              require(leftovers::shared_mappings() == mappings, "nothing is left");
              // One that is there needs no more.
              require(parmap::map(before, twice, std::vector{1, 2}).value()[1] == 4, "a value");
              require(before.submit([](int) -> int { std::abort(); }, 1).outcome().error().kind == failure::crashed,
                      "a crash");
              require(before.submit(twice, 3).get() == 6, "a value");
            }),
            "");
}

TEST_F(pool_limits_test, little_address_space) {
  EXPECT_EQ(in_child([] {
              const rlimit little{std::size_t{400} << 20, std::size_t{400} << 20};
              require(::setrlimit(RLIMIT_AS, &little) == 0, "setrlimit");
              const parmap::pool workers({.workers = 2});
              require(parmap::map(workers, twice, std::views::iota(0, 1000)).ok(), "values");
              const auto large =
                  parmap::map(workers, [](int) { return std::string(std::size_t{300} << 20, 'x'); }, std::vector{1});
              require(large.failures().size() == 1, "no room");
              require(workers.submit(twice, 3).get() == 6, "a value");
            }),
            "");
}

}  // namespace
