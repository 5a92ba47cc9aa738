// SPDX-License-Identifier: MIT
// Progress: what can be a reporter and when it is called. The tests pass the time in, so no test waits.
#include <parmap/detail/progress/progress_meter.hpp>
#include <parmap/progress.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::progress;
using parmap::report;
using parmap::reporter;
using parmap::detail::progress_meter;

const progress_meter::clock::time_point start = progress_meter::clock::time_point{} + 1000h;
constexpr auto never = std::chrono::nanoseconds::max();

TEST(progress_reporter, takes_what_it_promises) {
  struct functor {
    int operator()(const progress&) { return 1; }
  };
  static_assert(std::is_convertible_v<report, reporter>);
  static_assert(std::is_convertible_v<functor, reporter>);
  static_assert(std::is_convertible_v<void (*)(const progress&), reporter>);
  static_assert(!std::is_convertible_v<int, reporter>);
  static_assert(!std::is_convertible_v<void (*)(progress&), reporter>);
  static_assert(std::is_copy_constructible_v<reporter> && std::is_copy_assignable_v<reporter>);
  static_assert(!std::is_constructible_v<progress_meter, report, int, progress_meter::clock::time_point>,
                "the meter keeps a reference: no temporaries");
  EXPECT_THROW(reporter(std::function<void(const progress&)>{}), std::invalid_argument);
  EXPECT_THROW(reporter(static_cast<void (*)(const progress&)>(nullptr)), std::invalid_argument);
}

TEST(progress_meter, calls_at_most_every_tenth_of_a_second_and_once_at_the_end) {
  std::vector<progress> calls;
  const reporter to = [&](const progress& p) { calls.push_back(p); };
  progress_meter shown(to, 1000, start);
  EXPECT_EQ(shown.wait(start), 100ms);
  for (int ms = 0; ms <= 1000; ++ms) {
    const auto now = start + std::chrono::milliseconds(ms);
    EXPECT_EQ(shown.due(now), ms > 0 && ms % 100 == 0) << ms;
    shown.update(now, static_cast<std::uint64_t>(ms) / 2, 0);
  }
  EXPECT_EQ(calls.size(), 10);
  EXPECT_EQ(shown.wait(start + 1040ms), 60ms);
  EXPECT_EQ(shown.wait(start + 2s), 0ms);
  shown.finish(start + 2s, 990, 10);
  ASSERT_EQ(calls.size(), 11);
  EXPECT_EQ(calls[4].completed, 250);
  EXPECT_EQ(calls[4].total, 1000);
  EXPECT_EQ(calls[4].elapsed, 500ms);
  EXPECT_NEAR(calls[4].rate, 500, 1e-6);
  ASSERT_TRUE(calls[4].remaining);
  EXPECT_NEAR(std::chrono::duration<double>(*calls[4].remaining).count(), 1.5, 1e-6);
  EXPECT_FALSE(calls[9].finished);
  EXPECT_TRUE(calls[10].finished);
  EXPECT_EQ(calls[10].done(), 1000);
  EXPECT_EQ(calls[10].failed, 10);
  EXPECT_NEAR(calls[10].rate, 500, 1e-6);
  EXPECT_EQ(calls[10].remaining, 0ns);
  EXPECT_EQ(shown.wait(start + 2s), never);
  shown.finish(start + 3s, 990, 10);
  shown.update(start + 3s, 990, 10);
  EXPECT_EQ(calls.size(), 11);
}

TEST(progress_meter, calls_once_for_a_short_or_empty_work) {
  int calls = 0;
  const reporter to = [&](const progress& p) { calls += p.finished; };
  progress_meter(to, 5, start).finish(start + 1us, 5, 0);
  progress_meter(to, 0, start).finish(start, 0, 0);
  EXPECT_EQ(calls, 2);
}

TEST(progress_meter, rate_is_smoothed_as_in_tqdm) {
  std::vector<progress> calls;
  const reporter to = [&](const progress& p) { calls.push_back(p); };
  progress_meter shown(to, 1'000'000, start);
  shown.update(start + 100ms, 0, 0);
  ASSERT_EQ(calls.size(), 1);
  EXPECT_EQ(calls[0].rate, 0);
  EXPECT_FALSE(calls[0].remaining);
  // As in tqdm: two exponential averages, each divided by 1 - 0.7^n, and their quotient.
  double tasks = 0, seconds = 0;
  std::uint64_t done = 0;
  auto now = start, sampled = start;
  int n = 0;
  for (const auto& [wait, more] : std::vector<std::pair<std::chrono::milliseconds, std::uint64_t>>{
           {200ms, 10}, {100ms, 50}, {300ms, 0}, {150ms, 7}, {1000ms, 1000}}) {
    now += wait;
    done += more;
    if (more > 0) {  // time without a completed task counts for the next one
      tasks = 0.3 * static_cast<double>(more) + 0.7 * tasks;
      seconds = 0.3 * std::chrono::duration<double>(now - sampled).count() + 0.7 * seconds;
      sampled = now;
      ++n;
    }
    shown.update(now, done, 0);
    const double bias = 1 - std::pow(0.7, n);
    EXPECT_NEAR(calls.back().rate, (tasks / bias) / (seconds / bias), 1e-6);
  }
}

TEST(progress_meter, unthinkably_long_is_unknown) {
  std::vector<progress> calls;
  const reporter to = [&](const progress& p) { calls.push_back(p); };
  progress_meter shown(to, ~std::uint64_t{}, start);
  shown.update(start + 10s, 1, 0);
  EXPECT_NEAR(calls.at(0).rate, 0.1, 1e-9);
  EXPECT_FALSE(calls.at(0).remaining);
}

TEST(progress_meter, what_a_callable_throws_passes) {
  const reporter to = [](const progress& p) { throw std::runtime_error(p.finished ? "end" : "middle"); };
  progress_meter shown(to, 10, start);
  EXPECT_NO_THROW(shown.update(start + 99ms, 1, 0));
  EXPECT_THROW(shown.update(start + 100ms, 1, 0), std::runtime_error);
  EXPECT_FALSE(shown.due(start + 150ms));
  EXPECT_THROW(shown.finish(start + 200ms, 10, 0), std::runtime_error);
  EXPECT_NO_THROW(shown.finish(start + 300ms, 10, 0));
}

}  // namespace
