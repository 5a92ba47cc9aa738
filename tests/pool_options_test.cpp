// SPDX-License-Identifier: MIT
// The options of a pool, and those of maps on it.
#include "leftovers.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <ranges>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

class pool_options_test : public leftovers::none {};

// A number in memory that processes share which are forked later. Tasks are told its address, as they cannot capture.
class shared_number {
 public:
  shared_number()
      : at_(::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (at_ == MAP_FAILED) throw std::bad_alloc();
    ::new (at_) std::atomic<int>(0);
  }
  shared_number(const shared_number&) = delete;
  shared_number& operator=(const shared_number&) = delete;
  ~shared_number() { ::munmap(at_, sizeof(std::atomic<int>)); }

  [[nodiscard]] std::uintptr_t address() const noexcept { return reinterpret_cast<std::uintptr_t>(at_); }
  static std::atomic<int>& of(std::uintptr_t address) noexcept {
    return *reinterpret_cast<std::atomic<int>*>(address);  // NOLINT(performance-no-int-to-ptr): it was one
  }

 private:
  void* at_;
};

int take_memory(int megabytes) {
  const std::vector<char> taken(static_cast<std::size_t>(megabytes) << 20, 'x');
  return static_cast<int>(taken.size() >> 20);
}

TEST_F(pool_options_test, a_memory_limit_fails_what_takes_more) {
  const parmap::pool workers({.memory_limit = std::uint64_t{64} << 20, .workers = 2});
  for (int round = 0; round < 3; ++round) {
    const auto all = parmap::map(workers, take_memory, std::vector{1, 1000, 2, 3});
    ASSERT_EQ(all.failures().size(), 1U);
    EXPECT_EQ(all.failures()[0].index, 1U);
    EXPECT_EQ(all.failures()[0].kind, parmap::failure::out_of_memory);
    EXPECT_EQ(all[3], 3);
  }
}

TEST_F(pool_options_test, workers_are_renewed_after_so_many_tasks) {
  const parmap::pool workers({.max_tasks = 5, .workers = 2});
  std::set<int> pids;
  for (int k = 0; k < 50; ++k) pids.insert(workers.submit([] { return static_cast<int>(::getpid()); }).get());
  EXPECT_GE(pids.size(), 9U);
  const std::vector<int> many =
      parmap::map(workers, [](int) { return static_cast<int>(::getpid()); }, std::views::iota(0, 200)).value();
  for (const int pid : std::set<int>(many.begin(), many.end())) EXPECT_LE(std::ranges::count(many, pid), 5);
}

TEST_F(pool_options_test, a_map_may_have_fewer_workers) {
  const shared_number running;
  const parmap::pool workers({.workers = 3});
  const auto f = [](int, std::uintptr_t at) {
    const int before = shared_number::of(at)++;
    std::this_thread::sleep_for(1ms);
    --shared_number::of(at);
    return before;
  };
  EXPECT_EQ(parmap::map(workers, parmap::fargs(f, running.address()), std::views::iota(0, 30), {.workers = 1}).value(),
            std::vector<int>(30, 0));
}

TEST_F(pool_options_test, times_are_those_of_the_workers) {
  const parmap::pool workers({.workers = 2});
  const auto f = [](int k) {
    std::this_thread::sleep_for(std::chrono::milliseconds(k == 7 ? 30 : 1));
    return k;
  };
  const parmap::map_summary all = parmap::map(workers, f, std::views::iota(0, 20), {.times = true}).summary();
  ASSERT_EQ(all.slowest.size(), 5U);
  EXPECT_EQ(all.slowest.front().index, 7U);
  EXPECT_GE(all.slowest.front().took, 30ms);
}

TEST_F(pool_options_test, a_reporter_hears_of_the_map) {
  const parmap::pool workers({.workers = 2});
  std::uint64_t last = 0;
  const auto listen = [&last](const parmap::progress& now) { last = now.completed; };
  EXPECT_TRUE(parmap::map(workers, [](int k) { return k; }, std::views::iota(0, 500), {.reporter = listen}).ok());
  EXPECT_EQ(last, 500U);
}

TEST_F(pool_options_test, a_stop_ends_a_map_and_no_other) {
  const parmap::pool workers({.workers = 2});
  std::stop_source source;
  source.request_stop();
  const auto stopped =
      parmap::map(workers, [](int k) { return k; }, std::views::iota(0, 5000), {.stop = source.get_token()});
  EXPECT_GT(stopped.failures().size(), 0U);
  EXPECT_EQ(stopped.failures().back().kind, parmap::failure::stopped);
  EXPECT_TRUE(parmap::map(workers, [](int k) { return k; }, std::views::iota(0, 5000)).ok());
}

TEST_F(pool_options_test, large_inputs_and_results_are_given_back) {
  const parmap::pool workers({.workers = 2});
  const auto twice = [](const std::vector<double>& all) {
    std::vector<double> made(all);
    for (double& each : made) each *= 2;
    return made;
  };
  const std::vector<std::vector<double>> xs(4, std::vector<double>(200'000, 1.5));
  for (int round = 0; round < 3; ++round) EXPECT_EQ(parmap::map(workers, twice, xs).value()[3].back(), 3.0);
}

}  // namespace
