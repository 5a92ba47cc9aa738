// SPDX-License-Identifier: MIT
// Observed maps on worker processes whose tasks crash, and whose observer takes long.
#include "leftovers.hpp"
#include "recorded_attempts.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

class observer_faults_test : public leftovers::none {};

std::vector<pid_t> children() {
  const std::string self = std::to_string(::getpid());
  std::ifstream file("/proc/" + self + "/task/" + self + "/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}

bool sleeps_on_a_futex(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/wchan");
  std::string text;
  file >> text;
  return text.find("futex") != std::string::npos;
}

TEST_F(observer_faults_test, deaths_are_failed_attempts) {
  recorded::attempts heard;
  const auto f = [](parmap::context& self, int x) {
    if (x % 10 == 3 && self.attempt() == 1) std::abort();
    if (x % 10 == 5) ::_exit(7);
    if (x % 10 == 7 && self.attempt() == 1) throw std::runtime_error("once");
    return x;
  };
  const auto made = recorded::map(heard, parmap::multi, f, std::views::iota(0, 100), {.retries = 1, .workers = 3});
  EXPECT_EQ(made.failures().size(), 10U);
  heard.expect_as(made);
  EXPECT_EQ(heard.of(13).whys.at(0).kind, failure::crashed);
  EXPECT_EQ(heard.of(15).whys.at(0).kind, failure::exited);
  EXPECT_EQ(heard.of(17).whys.at(0).kind, failure::threw);
  EXPECT_GT(heard.births(), 30U);
}

TEST_F(observer_faults_test, a_late_task_counts_with_the_time_that_it_had) {
  recorded::attempts heard;
  const auto f = [](int x) {
    while (x == 1) ::pause();
    return x;
  };
  const auto made = recorded::map(heard, parmap::multi, f, std::views::iota(0, 3), {.timeout = 100ms, .workers = 1});
  heard.expect_as(made);
  ASSERT_TRUE(heard.of(1).ended);
  EXPECT_GE(heard.of(1).ended->took, 100ms);
  const auto slowest =
      parmap::map(parmap::multi, f, std::views::iota(0, 3), {.timeout = 100ms, .times = true}).summary().slowest;
  ASSERT_EQ(slowest.size(), 3U);
  EXPECT_EQ(slowest[0].index, 1U);
}

// Calls do() in its first event of a value, once all workers sleep because their logs are full.
class slow_observer final : public parmap::detail::attempt_observer {
 public:
  explicit slow_observer(std::function<void()> what) : do_(std::move(what)) {}

  void ended(const parmap::detail::attempt&, parmap::detail::seen_value, const failure*) noexcept override {
    if (++ended_ > 1) return;
    const auto until = std::chrono::steady_clock::now() + 60s;
    for (std::vector<pid_t> all = children(); all.size() < 2 || !std::ranges::all_of(all, sleeps_on_a_futex);
         all = children()) {
      ASSERT_LT(std::chrono::steady_clock::now(), until);
      std::this_thread::sleep_for(1ms);
    }
    do_();
  }
  [[nodiscard]] std::uint64_t ended() const { return ended_; }

 private:
  std::function<void()> do_;
  std::uint64_t ended_{};
};

TEST_F(observer_faults_test, workers_wait_for_one_that_is_slow) {
  slow_observer slow([] {});
  const auto made =
      recorded::map(slow, parmap::multi, [](int x) { return x; }, std::views::iota(0, 50'000), {.workers = 2});
  EXPECT_TRUE(made.ok());
  EXPECT_EQ(made[49'999], 49'999);
  EXPECT_EQ(slow.ended(), 50'000U);
}

TEST_F(observer_faults_test, a_stop_ends_workers_that_wait) {
  std::stop_source stop;
  slow_observer slow([&stop] { stop.request_stop(); });
  const auto made = recorded::map(slow, parmap::multi, [](int x) { return x; }, std::views::iota(0, 1'000'000),
                                  {.stop = stop.get_token(), .workers = 2});
  EXPECT_FALSE(made.ok());
  EXPECT_EQ(slow.ended(), 1'000'000U - made.failures().size());
}

TEST_F(observer_faults_test, a_worker_that_is_killed_while_it_waits_loses_nothing) {
  slow_observer slow([] { ::kill(children().at(0), SIGKILL); });
  const auto made =
      recorded::map(slow, parmap::multi, [](int x) { return x; }, std::views::iota(0, 50'000), {.workers = 2});
  EXPECT_TRUE(made.ok());
  EXPECT_EQ(slow.ended(), 50'000U);
}

}  // namespace
