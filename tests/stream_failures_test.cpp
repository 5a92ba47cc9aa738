// SPDX-License-Identifier: MIT
// The tasks of a stream that fail, or that are slow: on engines that run several at once, and on each alone.
#include "leftovers.hpp"
#include "streams.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using parmap::failure;
using streams::shared_count;

template <class Engine>
class skipping_stream : public leftovers::none {};
TYPED_TEST_SUITE(skipping_stream, streams::skipping, streams::names);

TYPED_TEST(skipping_stream, gives_failures_with_their_inputs) {
  const auto check = [](int x) {
    if (x % 10 == 3) throw std::runtime_error("bad " + std::to_string(x));
    return x;
  };
  auto all = parmap::stream(TypeParam::engine, check, std::views::iota(0, 200));
  int failed = 0;
  for (auto&& [index, outcome] : all) {
    if (outcome) continue;
    ++failed;
    EXPECT_EQ(outcome.error().index, index);
    EXPECT_EQ(outcome.error().kind, failure::threw);
    EXPECT_EQ(outcome.error().inputs, std::to_string(index));
    EXPECT_EQ(outcome.error().attempts, 1U);
  }
  EXPECT_EQ(failed, 20);
  const parmap::map_summary summary = all.summary();
  EXPECT_EQ(summary.tasks, 200U);
  EXPECT_EQ(summary.completed, 180U);
  ASSERT_EQ(summary.causes.size(), 1U);
  EXPECT_EQ(summary.causes[0].count, 20U);
  EXPECT_EQ(summary.causes[0].message, "std::runtime_error: bad ...");
}

TYPED_TEST(skipping_stream, gives_the_inputs_of_elements_that_were_read) {
  std::istringstream text("good bad good");
  const auto check = [](const std::string& word) {
    if (word == "bad") throw std::runtime_error("so it says");
    return 1;
  };
  int failed = 0;
  for (auto&& each : parmap::stream(TypeParam::engine, check, std::views::istream<std::string>(text))) {
    if (each.outcome) continue;
    ++failed;
    EXPECT_EQ(each.outcome.error().inputs, "\"bad\"");
  }
  EXPECT_EQ(failed, 1);
}

TYPED_TEST(skipping_stream, passes_by_a_slow_task) {
  const shared_count others;
  const auto wait_at_first = [&others](int x) {
    if (x == 0) return others.reaches(199) ? -1 : -2;
    ++*others;
    return x;
  };
  int came = 0;  // when that of the first task came
  int taken = 0;
  for (auto&& each :
       parmap::stream(TypeParam::engine, wait_at_first, std::views::iota(0, 200), {.window = 4, .workers = 2})) {
    ++taken;
    if (each.outcome.value() == -1) came = taken;
  }
  EXPECT_EQ(taken, 200);
  EXPECT_GE(came, 200 - 4);  // all others had begun, and at most a window of them had not come
}

TYPED_TEST(skipping_stream, holds_its_order_behind_a_slow_task) {
  const shared_count others;
  const auto wait_at_first = [&others](int x) {
    if (x == 0) return others.reaches(3) ? 0 : -1;
    ++*others;
    return x;
  };
  int next = 0;
  for (auto&& each : parmap::stream(TypeParam::engine, wait_at_first, std::views::iota(0, 50),
                                    {.ordered = true, .window = 4, .workers = 2}))
    EXPECT_EQ(each.outcome.value(), next++);
  EXPECT_EQ(next, 50);
}

TEST(threads_stream, asks_late_tasks_to_stop) {
  const auto obedient = [](parmap::context& self, int x) {
    while (x == 1 && !self.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
    return x;
  };
  int late = 0;
  for (auto&& [index, outcome] :
       parmap::stream(parmap::threads, obedient, std::views::iota(0, 10), {.timeout = 100ms, .workers = 2})) {
    if (outcome) continue;
    ++late;
    EXPECT_EQ(index, 1U);
    EXPECT_EQ(outcome.error().kind, failure::timed_out);
  }
  EXPECT_EQ(late, 1);
}

TEST(threads_stream, asks_running_tasks_to_stop_when_it_is_left) {
  const auto obedient = [](parmap::context& self, int x) {
    while (x > 0 && !self.stop_token().stop_requested()) std::this_thread::sleep_for(1ms);
    return x;
  };
  for (auto&& each : parmap::stream(parmap::threads, obedient, std::views::iota(0))) {
    EXPECT_EQ(each.index, 0U);
    break;
  }
}

TEST(serial_stream, lets_out_what_a_task_throws) {
  const auto check = [](int x) {
    if (x == 3) throw std::runtime_error("three");
    return x;
  };
  int taken = 0;
  EXPECT_THROW(
      {
        for (auto&& each : parmap::stream(parmap::serial, check, std::views::iota(0, 10))) {
          static_cast<void>(each);
          ++taken;
        }
      },
      std::runtime_error);
  EXPECT_EQ(taken, 3);
}

}  // namespace
