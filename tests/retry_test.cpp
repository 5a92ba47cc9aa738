// SPDX-License-Identifier: MIT
// options::retry_delay and retry_if on every engine.
#include "engines.hpp"

#include <parmap/async.hpp>
#include <parmap/detail/schedule/retry_wait.hpp>
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

constexpr int most = 1000;

// Counts the attempts of each task, in memory that workers share with this process.
class attempts {
 public:
  attempts()
      : counts_(static_cast<std::atomic<int>*>(
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  attempts(const attempts&) = delete;
  attempts& operator=(const attempts&) = delete;
  ~attempts() { ::munmap(counts_, bytes); }

  // Returns the number of this attempt, from 1.
  int begin(int task) const { return ++counts_[task]; }
  [[nodiscard]] int of(int task) const { return counts_[task]; }

 private:
  static constexpr std::size_t bytes = most * sizeof(std::atomic<int>);

  std::atomic<int>* counts_;
};

bool timed_out(const failure& why) { return why.kind == failure::timed_out; }

template <class Engine>
class retry : public ::testing::Test {};
TYPED_TEST_SUITE(retry, engines::all, engines::names);
template <class Engine>
class retry_skipping : public ::testing::Test {};
TYPED_TEST_SUITE(retry_skipping, engines::skipping, engines::names);

TYPED_TEST(retry, with_a_delay_runs_each_task_as_often_as_it_needs) {
  const attempts begun;
  const auto f = [&](int i) {
    if (begun.begin(i) <= i % 4) throw std::runtime_error("not yet");
    return std::to_string(i);
  };
  const auto all =
      parmap::map(TypeParam::engine, f, std::views::iota(0, 40), {.retries = 3, .retry_delay = 1ms, .workers = 3});
  ASSERT_TRUE(all.ok()) << all.failures();
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(all[static_cast<std::uint64_t>(i)], std::to_string(i));
    EXPECT_EQ(begun.of(i), i % 4 + 1);
  }
}

TYPED_TEST(retry_skipping, the_last_failure_counts) {
  const attempts begun;
  const auto f = [&](int i) {
    const int attempt = begun.begin(i);
    if (i % 2 == 1) throw std::runtime_error("attempt " + std::to_string(attempt));
    return i;
  };
  const auto all =
      parmap::map(TypeParam::engine, f, std::views::iota(0, 20), {.retries = 2, .retry_delay = 1ms, .workers = 2});
  EXPECT_EQ(all.failures().size(), 10U);
  for (const failure& why : all.failures()) {
    EXPECT_EQ(why.attempts, 3U);
    EXPECT_EQ(why.message, "std::runtime_error: attempt 3");
  }
}

TYPED_TEST(retry_skipping, is_asked_of_each_failed_attempt_but_the_last) {
  const attempts begun;
  std::vector<std::string> asked;
  const auto f = [&](int i) -> int {
    throw std::runtime_error(std::to_string(i) + (i == 1 ? " for good" : " for now, ") +
                             (i == 1 ? "" : std::to_string(begun.begin(i))));
  };
  const auto again = [&](const failure& why) {
    asked.push_back(to_string(why));
    return why.message.find("for good") == std::string::npos;
  };
  const auto all =
      parmap::map(TypeParam::engine, f, std::views::iota(0, 2), {.retries = 2, .retry_if = again, .workers = 2});
  EXPECT_EQ(asked.size(), 3U);
  std::ranges::sort(asked);
  EXPECT_EQ(asked, (std::vector<std::string>{"task 0 threw: std::runtime_error: 0 for now, 1",
                                             "task 0 threw: std::runtime_error: 0 for now, 2 (2 attempts)",
                                             "task 1 threw: std::runtime_error: 1 for good"}));
  ASSERT_EQ(all.failures().size(), 2U);
  EXPECT_EQ(all.failures()[0].attempts, 3U);
  EXPECT_EQ(all.failures()[1].attempts, 1U);
}

TYPED_TEST(retry, what_retry_if_throws_ends_the_map) {
  const auto f = [](int i) {
    if (i == 3) throw i;
    return i;
  };
  const auto again = [](const failure&) -> bool { throw std::logic_error("cannot tell"); };
  EXPECT_THROW(static_cast<void>(parmap::map(TypeParam::engine, f, std::views::iota(0, 1000),
                                             {.retries = 2, .retry_if = again, .workers = 2})),
               std::logic_error);
}

TYPED_TEST(retry_skipping, a_halted_map_tries_nothing_again) {
  const attempts begun;
  const auto f = [&](int i) -> int {
    begun.begin(i);
    throw i;
  };
  const auto all = parmap::map(TypeParam::engine, f, std::views::iota(0, 4),
                               {.deadline = 500ms, .retries = 5, .retry_delay = 1h, .workers = 2});
  EXPECT_EQ(all.summary().count(failure::stopped), 4U) << all.failures();
  for (const failure& why : all.failures()) EXPECT_EQ(why.attempts, 1U);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(begun.of(i), 1);
}

TYPED_TEST(retry_skipping, a_stop_request_ends_the_wait) {
  std::stop_source source;
  const auto f = [](int i) -> int { throw i; };
  const auto again = [&](const failure& why) {
    if (why.index == 3) source.request_stop();
    return true;
  };
  const auto all =
      parmap::map(TypeParam::engine, f, std::views::iota(0, 4),
                  {.retries = 5, .retry_delay = 1h, .retry_if = again, .stop = source.get_token(), .workers = 1});
  EXPECT_EQ(all.summary().count(failure::stopped), 4U) << all.failures();
}

TYPED_TEST(retry_skipping, only_failures_for_good_count_for_max_failures) {
  const attempts begun;
  const auto f = [&](int i) {
    if (i < 100 && begun.begin(i) == 1) throw i;
    if (i >= 990) throw i;
    return i;
  };
  const auto all = parmap::map(TypeParam::engine, f, std::views::iota(0, most),
                               {.max_failures = 11, .retries = 1, .retry_delay = 1ms, .workers = 2});
  EXPECT_EQ(all.failures().size(), 10U) << all.failures();
}

TYPED_TEST(retry_skipping, a_thousand_tasks_wait_at_once) {
  const attempts begun;
  const auto f = [&](int i) {
    if (begun.begin(i) < 3) throw i;
    return i;
  };
  const auto all =
      parmap::map(TypeParam::engine, f, std::views::iota(0, most), {.retries = 2, .retry_delay = 20ms, .workers = 3});
  EXPECT_TRUE(all.ok()) << all.failures();
  for (int i = 0; i < most; ++i) EXPECT_EQ(begun.of(i), 3);
}

TYPED_TEST(retry, a_negative_delay_is_refused) {
  EXPECT_THROW(static_cast<void>(parmap::map(TypeParam::engine, [](int i) { return i; }, std::views::iota(0, 2),
                                             {.retries = 1, .retry_delay = -1ms})),
               std::invalid_argument);
}

TEST(retry_of_multi, of_each_kind_of_death) {
  const attempts begun;
  const auto f = [&](int i) {
    if (begun.begin(i) <= 2) switch (i % 5) {
        case 0: ::_exit(3);
        case 1: std::abort();
        case 2:
          for (;;) ::pause();
        case 3: throw i;
        default: break;
      }
    return std::to_string(i) + std::string(100, '.');
  };
  const auto all =
      parmap::map(f, std::views::iota(0, 15), {.retries = 2, .retry_delay = 5ms, .timeout = 300ms, .workers = 3});
  ASSERT_TRUE(all.ok()) << all.failures();
  for (int i = 0; i < 15; ++i) {
    EXPECT_EQ(begun.of(i), i % 5 == 4 ? 1 : 3) << i;
    EXPECT_EQ(all[static_cast<std::uint64_t>(i)].substr(0, 2), (std::to_string(i) + "..").substr(0, 2));
  }
}

TEST(retry_of_multi, only_late_tasks) {
  const attempts begun;
  const auto f = [&](int i) {
    if (begun.begin(i) == 1 && i == 1)
      for (;;) ::pause();
    if (i == 2) ::_exit(3);
    return i;
  };
  const auto all =
      parmap::map(f, std::views::iota(0, 4), {.retries = 2, .retry_if = timed_out, .timeout = 300ms, .workers = 2});
  ASSERT_EQ(all.failures().size(), 1U) << all.failures();
  EXPECT_EQ(all.failures()[0].index, 2U);
  EXPECT_EQ(all.failures()[0].kind, failure::exited);
  EXPECT_EQ(all.failures()[0].attempts, 1U);
}

TEST(retry_of_multi, dies_in_the_second_attempt_of_a_task_whose_first_was_published_by_the_same_worker) {
  const attempts begun;
  const auto f = [&](int i) {
    const int attempt = begun.begin(i);
    if (attempt == 1) throw i;
    if (attempt == 2) ::_exit(3);
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 20), {.retries = 2, .retry_delay = 1ms, .workers = 1});
  EXPECT_TRUE(all.ok()) << all.failures();
}

TEST(retry_wait, doubles_with_jitter_of_a_quarter_and_ends_at_a_day) {
  using parmap::detail::retry_wait;
  double sum = 0;
  for (std::uint64_t task = 0; task < 1000; ++task) {
    for (unsigned attempt = 1; attempt <= 5; ++attempt) {
      const double times = static_cast<double>(retry_wait(1s, 42, task, attempt).count()) / 1e9 / (1U << (attempt - 1));
      EXPECT_GE(times, 0.75);
      EXPECT_LT(times, 1.25);
      sum += times;
    }
  }
  EXPECT_NEAR(sum / 5000, 1, 0.02);
  EXPECT_EQ(retry_wait(1s, 42, 7, 2), retry_wait(1s, 42, 7, 2));
  EXPECT_NE(retry_wait(1s, 42, 7, 2), retry_wait(1s, 43, 7, 2));
  EXPECT_NE(retry_wait(1s, 42, 7, 2), retry_wait(1s, 42, 8, 2));
  EXPECT_EQ(retry_wait(0s, 42, 7, 9), 0s);
  EXPECT_EQ(retry_wait(std::chrono::nanoseconds::max(), 42, 7, 9), 24h);
  EXPECT_EQ(retry_wait(1ns, 42, 7, 4'000'000'000U), 24h);
}

}  // namespace
