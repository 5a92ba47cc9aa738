// SPDX-License-Identifier: MIT
// The options of a stream: reporter, stop, deadline, seed, retries, failures; and those that an engine refuses.
#include "leftovers.hpp"
#include "streams.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;
using streams::twice;

template <class Engine>
class stream_with_options : public leftovers::none {};
TYPED_TEST_SUITE(stream_with_options, streams::without_named, streams::names);

template <class Engine>
class skipping_stream_with_options : public leftovers::none {};
TYPED_TEST_SUITE(skipping_stream_with_options, streams::skipping, streams::names);

TYPED_TEST(stream_with_options, draws_the_numbers_of_a_map) {
  const auto draw = [](parmap::context& self, int) { return self.rng()(); };
  const auto expected = parmap::map(parmap::serial, draw, std::views::iota(0, 50), {.seed = 7}).value();
  for (auto&& [index, outcome] : parmap::stream(TypeParam::engine, draw, std::views::iota(0, 50), {.seed = 7}))
    EXPECT_EQ(outcome.value(), expected[index]);
}

TYPED_TEST(stream_with_options, tells_its_reporter) {
  std::vector<parmap::progress> told;
  const auto tell = [&told](const parmap::progress& now) { told.push_back(now); };
  for (auto&& each : parmap::stream(TypeParam::engine, twice, std::views::iota(0, 30), {.reporter = tell}))
    static_cast<void>(each);
  ASSERT_FALSE(told.empty());
  EXPECT_TRUE(told.back().finished);
  EXPECT_EQ(told.back().completed, 30U);
  EXPECT_EQ(told.back().total, 30U);
  const auto complain = [](const parmap::progress&) { throw std::runtime_error("no"); };
  EXPECT_THROW(
      {
        for (auto&& each : parmap::stream(TypeParam::engine, twice, std::views::iota(0, 3), {.reporter = complain}))
          static_cast<void>(each);
      },
      std::runtime_error);
}

TYPED_TEST(stream_with_options, stops_when_it_is_requested) {
  std::stop_source source;
  std::uint64_t values = 0;
  std::uint64_t stopped = 0;
  for (auto&& each : parmap::stream(TypeParam::engine, twice, std::views::iota(0, 1'000),
                                    {.stop = source.get_token(), .window = 10})) {
    if (each.outcome) ++values;
    else if (each.outcome.error().kind == failure::stopped) ++stopped;
    if (values == 20) source.request_stop();
  }
  EXPECT_EQ(values + stopped, 1'000U);
  EXPECT_GT(stopped, 900U);
}

TYPED_TEST(stream_with_options, of_an_axis_without_end_stops_what_has_been_let_in) {
  std::stop_source source;
  std::uint64_t values = 0;
  std::uint64_t stopped = 0;
  for (auto&& each :
       parmap::stream(TypeParam::engine, twice, std::views::iota(0), {.stop = source.get_token(), .window = 10})) {
    each.outcome ? ++values : ++stopped;
    if (values == 20) source.request_stop();
  }
  EXPECT_GE(values, 20U);
  EXPECT_LE(stopped, 10U);
}

TYPED_TEST(stream_with_options, ends_at_its_deadline) {
  const auto slow = [](int i) {
    std::this_thread::sleep_for(5ms);
    return i;
  };
  std::uint64_t stopped = 0;
  std::uint64_t count = 0;
  for (auto&& each : parmap::stream(TypeParam::engine, slow, std::views::iota(0, 20'000), {.deadline = 300ms})) {
    ++count;
    if (each.outcome) continue;
    EXPECT_EQ(each.outcome.error().kind, failure::stopped);
    EXPECT_EQ(each.outcome.error().message, "options.deadline was reached");
    ++stopped;
  }
  EXPECT_EQ(count, 20'000U);
  EXPECT_GT(stopped, 0U);
}

TYPED_TEST(stream_with_options, tries_again) {
  const auto flaky = [](parmap::context& self, int i) {
    if (self.attempt() < 3) throw std::runtime_error("not yet");
    return i;
  };
  for (const std::chrono::nanoseconds delay : {0ns, std::chrono::nanoseconds(1ms)}) {
    int done = 0;
    for (auto&& each : parmap::stream(TypeParam::engine, flaky, std::views::iota(0, 40),
                                      {.retries = 2, .retry_delay = delay, .workers = 3}))
      done += each.outcome ? 1 : 0;
    EXPECT_EQ(done, 40);
  }
}

TYPED_TEST(skipping_stream_with_options, stops_at_max_failures) {
  const auto fail = [](int x) -> int { throw std::runtime_error(std::to_string(x)); };
  std::uint64_t threw = 0;
  std::uint64_t stopped = 0;
  for (auto&& each : parmap::stream(TypeParam::engine, fail, std::views::iota(0, 500), {.max_failures = 10}))
    each.outcome.error().kind == failure::threw ? ++threw : ++stopped;
  EXPECT_EQ(threw + stopped, 500U);
  EXPECT_GE(threw, 10U);
  EXPECT_GT(stopped, 0U);
}

TYPED_TEST(skipping_stream_with_options, asks_retry_if) {
  const auto fail = [](int x) -> int { throw std::runtime_error(x % 2 == 0 ? "even" : "odd"); };
  const auto odd = [](const failure& why) { return why.message.ends_with("odd"); };
  int taken = 0;
  for (auto&& [index, outcome] :
       parmap::stream(TypeParam::engine, fail, std::views::iota(0, 20), {.retries = 3, .retry_if = odd})) {
    EXPECT_EQ(outcome.error().attempts, index % 2 == 0 ? 1U : 4U);
    ++taken;
  }
  EXPECT_EQ(taken, 20);
}

TEST(stream_options, are_refused_where_they_mean_nothing) {
  EXPECT_THROW(static_cast<void>(parmap::map(twice, std::views::iota(0, 3), {.ordered = true})), std::invalid_argument);
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::threads, twice, std::views::iota(0, 3), {.window = 3})),
               std::invalid_argument);
}

TEST(stream_options, that_an_engine_lacks_are_refused) {
  EXPECT_THROW(static_cast<void>(parmap::stream(parmap::threads, twice, std::views::iota(0, 3), {.timeout = 1s})),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(parmap::stream(parmap::threads, twice, std::views::iota(0, 3), {.memory_limit = 1})),
               std::invalid_argument);
  EXPECT_THROW(static_cast<void>(parmap::stream(parmap::multi, twice, std::views::iota(0, 3), {.timeout = 0s})),
               std::invalid_argument);
  constexpr std::uint64_t huge = std::uint64_t{1} << 40;
  EXPECT_THROW(static_cast<void>(parmap::stream(parmap::multi, twice, std::views::iota(0, 3), {.window = huge})),
               std::invalid_argument);
}

}  // namespace
