// SPDX-License-Identifier: MIT
// Options that an engine refuses: which, with which message, and before any task begins.
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <new>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::options;

const std::vector<int> three{0, 1, 2};

// Counts tasks begun, in all processes.
std::atomic<int>& begun() {
  static auto* const count = [] {
    void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    return ::new (at) std::atomic<int>(0);
  }();
  return *count;
}

int plain(int x) {
  ++begun();
  return x;
}
int with_context(parmap::context&, int x) { return plain(x); }

// Returns the message with which this map is refused. Fails if a task has begun.
template <class Exception = std::invalid_argument, class Engine, class F, class Axis>
std::string refusal(const Engine& who, F f, Axis&& axis, const options& chosen) {
  begun() = 0;
  std::string message = "accepted";
  try {
    static_cast<void>(parmap::map(who, f, axis, chosen));
  } catch (const Exception& error) {
    message = error.what();
    EXPECT_EQ(begun(), 0) << "refused too late: " << message;
  }
  return message;
}

const std::array named{parmap::engine_named("serial"), parmap::engine_named("threads"), parmap::engine_named("multi")};

TEST(options, every_field_has_a_default) {
  const options chosen;
  EXPECT_EQ(chosen.workers, 0U);
  EXPECT_FALSE(chosen.timeout);
  EXPECT_EQ(chosen.retries, 0U);
  EXPECT_FALSE(chosen.seed);
  EXPECT_FALSE(chosen.max_failures);
  EXPECT_FALSE(chosen.stop.stop_possible());
  EXPECT_FALSE(chosen.reporter.is_silent());
  EXPECT_FALSE(chosen.memory_limit);
  static_assert(std::is_aggregate_v<options>);
}

// The test is that this file compiles without a warning.
TEST(options, designated_initialisers) {
  const std::stop_source source;
  const std::vector<options> all{{.workers = 2},
                                 {.timeout = 5s},
                                 {.retries = 1, .timeout = 1500us},
                                 {.retries = 2},
                                 {.seed = 1},
                                 {.max_failures = 1},
                                 {.stop = source.get_token()},
                                 {.reporter = parmap::report::silent},
                                 {.reporter = [](const parmap::progress&) {}},
                                 {.max_failures = 5,
                                  .memory_limit = 6,
                                  .reporter = parmap::report::text,
                                  .retries = 3,
                                  .seed = 4,
                                  .stop = source.get_token(),
                                  .timeout = 1h,
                                  .workers = 1}};
  EXPECT_EQ(all.back().timeout, 3600s);
  EXPECT_EQ(parmap::map(parmap::threads, plain, three, {.reporter = parmap::report::silent, .workers = 8}).size(), 3U);
  EXPECT_EQ(parmap::map(plain, three, {.retries = 1, .workers = 2}).size(), 3U);
}

TEST(options, may_be_an_object) {
  options chosen{.seed = 5};
  EXPECT_EQ(parmap::map(parmap::threads, plain, three, chosen).seed(), 5U);
  EXPECT_EQ(parmap::map(parmap::serial, plain, three, std::as_const(chosen)).seed(), 5U);
  EXPECT_EQ(parmap::map(plain, three, std::move(chosen)).seed(), 5U);
}

TEST(options, a_timeout_that_is_not_positive_is_refused_by_all) {
  for (const auto& who : named) {
    EXPECT_EQ(refusal(who, with_context, three, {.timeout = -5ns}),
              "parmap: options.timeout must be positive, but is -5 ns; leave it out for no limit");
    EXPECT_EQ(refusal(who, with_context, three, {.timeout = 0s}),
              "parmap: options.timeout must be positive, but is 0 ns; leave it out for no limit");
  }
  EXPECT_NE(refusal(parmap::multi, plain, three, {.timeout = -1h}), "accepted");
}

TEST(options, max_failures_of_zero_is_refused_by_all) {
  for (const auto& who : named)
    EXPECT_EQ(refusal(who, plain, three, {.max_failures = 0}),
              "parmap: options.max_failures must be at least 1; leave it out for no limit");
}

TEST(options, memory_limit_of_zero_is_refused_by_all) {
  for (const auto& who : named)
    EXPECT_EQ(refusal(who, plain, three, {.memory_limit = 0}),
              "parmap: options.memory_limit must be positive; leave it out for no limit");
}

// serial accepts all options, so that switching to it changes one word.
TEST(options, serial_accepts_all) {
  const parmap::options all{
      .max_failures = 1, .memory_limit = 1, .retries = 1, .seed = 1, .timeout = 1ns, .workers = 7};
  EXPECT_EQ(refusal(parmap::serial, plain, three, all), "accepted");
  EXPECT_EQ(refusal(named[0], plain, three, all), "accepted");
  EXPECT_EQ(begun(), 3);
}

template <class Engine>
void expect_threads_refusals(const Engine& who) {
  EXPECT_EQ(refusal(who, plain, three, {.timeout = 1h}),
            "parmap: the engine threads has no options.timeout for this f, because a thread cannot be killed; let f "
            "take parmap::context& first and check its stop_token(), or use multi");
  EXPECT_EQ(refusal(who, plain, three, {.memory_limit = 1}),
            "parmap: the engine threads has no options.memory_limit, because its tasks share one process; use multi");
  EXPECT_EQ(
      refusal(who, with_context, three, {.max_failures = 1, .retries = 1, .seed = 1, .timeout = 1h, .workers = 3}),
      "accepted");
  EXPECT_EQ(begun(), 3);
}

TEST(options, threads_refuse) {
  expect_threads_refusals(parmap::threads);
  expect_threads_refusals(named[1]);
}

TEST(options, multi_refuses_none) {
  const options chosen{.max_failures = 1, .retries = 1, .seed = 1, .timeout = 1h, .workers = 2};
  EXPECT_EQ(refusal(parmap::multi, plain, three, chosen), "accepted");
  EXPECT_EQ(begun(), 3);
  EXPECT_EQ(refusal(named[2], with_context, three, chosen), "accepted");
  EXPECT_EQ(begun(), 3);
}

TEST(options, refusals_hold_for_empty_axes_too) {
  const std::vector<int> none;
  EXPECT_NE(refusal(parmap::threads, plain, none, {.timeout = 1h}), "accepted");
  EXPECT_NE(refusal(parmap::threads, plain, none, {.timeout = 1h}), "accepted");
  EXPECT_NE(refusal(parmap::multi, plain, none, {.timeout = -1h}), "accepted");
}

TEST(engine_named, finds_each_engine) {
  for (const std::string_view name : {"serial", "threads", "multi"}) {
    EXPECT_EQ(parmap::engine_named(name).name(), name);
    EXPECT_EQ(parmap::map(parmap::engine_named(name), plain, three).value(), three);
  }
}

// Plain and encoded values, failures, and the context are those of the engine itself.
TEST(engine_named, passes_all_on) {
  const auto draw = [](parmap::context& self, int x) {
    if (x == 1 && self.attempt() < 2) throw std::runtime_error("at first");
    return std::to_string(x) + " " + std::to_string(self.attempt()) + " " + std::to_string(self.rng()());
  };
  const auto nothing = [](int x) {
    if (x == 2) throw std::runtime_error("two");
  };
  const auto expected = parmap::map(parmap::threads, draw, three, {.retries = 1, .seed = 5}).value();
  for (const auto& who : named) {
    EXPECT_EQ(parmap::map(who, draw, three, {.retries = 1, .seed = 5}).value(), expected);
    if (who.name() == "serial") continue;  // serial halts at the first exception: see below
    const auto all = parmap::map(who, nothing, three, {.max_failures = 3});
    ASSERT_EQ(all.failures().size(), 1U);
    EXPECT_EQ(all.failures()[0].index, 2U);
    EXPECT_EQ(all.failures()[0].message, "std::runtime_error: two");
  }
  EXPECT_THROW(static_cast<void>(parmap::map(named[0], nothing, three)), std::runtime_error);
}

TEST(engine_named, lists_the_names) {
  for (const std::string name : {"openmp", "", "Threads", "threads "}) {
    try {
      static_cast<void>(parmap::engine_named(name));
      FAIL() << name;
    } catch (const std::invalid_argument& error) {
      EXPECT_EQ(error.what(), "parmap: there is no engine \"" + name + "\"; the names are serial, threads and multi");
    }
  }
}

TEST(engine_named, what_cannot_leave_a_worker_is_refused_by_multi_alone) {
  const auto pointer = [](int x) {
    ++begun();
    return std::make_shared<int>(x);
  };
  const auto view = [](int) -> std::string_view { return ++begun() > 0 ? "text" : ""; };
  const std::string expected = "parmap: the result type of f cannot leave a worker process of the engine multi; "
                               "specialise parmap::codec for it, or choose serial or threads";
  EXPECT_EQ(refusal(named[2], pointer, three, {}), expected);
  EXPECT_EQ(refusal(named[2], view, three, {}), expected);
  for (const auto& who : {named[0], named[1]}) {
    const auto all = parmap::map(who, pointer, three);
    EXPECT_EQ(*all[2], 2);
    EXPECT_EQ(parmap::map(who, view, three)[0], "text");
  }
}

TEST(limits, too_many_tasks) {
  const auto half = std::views::iota(std::uint64_t{0}, std::uint64_t{1} << 32);
  const auto sum = [](std::uint64_t a, std::uint64_t b) {
    ++begun();
    return a + b;
  };
  begun() = 0;
  for (const auto& who : named) EXPECT_THROW(static_cast<void>(parmap::map(who, sum, half, half)), std::length_error);
  EXPECT_THROW(static_cast<void>(parmap::map(sum, half, half)), std::length_error);
  EXPECT_EQ(begun(), 0);
}

TEST(limits, results_that_cannot_be_held) {
  begun() = 0;
  const auto wide = std::views::iota(std::uint64_t{0}, std::uint64_t{1} << 62);
  const auto fill = [](std::uint64_t x) {
    ++begun();
    return std::array<std::uint64_t, 4>{x};
  };
  for (const auto& who : named) EXPECT_THROW(static_cast<void>(parmap::map(who, fill, wide)), std::bad_alloc);
  EXPECT_EQ(begun(), 0);
}

TEST(limits, unequal_zip) {
  begun() = 0;
  const std::vector<int> two{0, 1};
  EXPECT_THROW(static_cast<void>(parmap::map(
                   parmap::threads, [](int a, int b) { return plain(a + b); }, parmap::zip(three, two))),
               std::invalid_argument);
  EXPECT_EQ(begun(), 0);
}

}  // namespace
