// SPDX-License-Identifier: MIT
// map_reduce: the order in which values are combined, on every engine and any number of workers, and what failures
// leave.
#include "engines.hpp"
#include "property.hpp"
#include "reductions.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;
using reductions::die;
using reductions::engines_that_reduce;
using reductions::engines_that_skip;
using reductions::expect_partial;
using reductions::tasks;
using reductions::term;

// Makes the parenthesisation visible.
struct in_brackets {
  std::string operator()(const std::string& a, const std::string& b) const { return '(' + a + ' ' + b + ')'; }
};
std::string name_of(std::uint64_t i) { return std::to_string(i); }

using matrix = std::array<double, 4>;
matrix product(const matrix& a, const matrix& b) {
  return {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3]};
}
matrix rotation(std::uint64_t i) {
  const double angle = 0.001 * static_cast<double>(i);
  return {std::cos(angle), -std::sin(angle), 1.25 * std::sin(angle), std::cos(angle)};
}

// Not trivially copyable, and lies in a slot by its fields' codec.
struct text_and_count {
  std::string text;
  int count;
};

template <class Engine>
class map_reduce : public leftovers::none {};
TYPED_TEST_SUITE(map_reduce, engines_that_reduce, engines::names);
template <class Engine>
class map_reduce_skipping : public leftovers::none {};
TYPED_TEST_SUITE(map_reduce_skipping, engines_that_skip, engines::names);

// ---- The order

TYPED_TEST(map_reduce, combines_in_the_documented_order) {
  for (const std::uint64_t n : {0, 1, 2, 511, 512, 513, 1024, 1537, 5000})
    for (const unsigned workers : {1U, 3U})
      EXPECT_EQ(parmap::map_reduce(TypeParam::engine, name_of, in_brackets{}, std::string("init"), tasks(n),
                                   {.workers = workers})
                    .value(),
                by_hand::map_reduce(name_of, in_brackets{}, std::string("init"), n).value())
          << n << " tasks";
}

TYPED_TEST(map_reduce, is_bitwise_the_same_for_any_number_of_workers) {
  constexpr std::uint64_t n = 20'000;
  const double expected = by_hand::map_reduce(term, std::plus{}, 0.1, n).value();
  for (unsigned workers = 1; workers <= 8; ++workers) {
    const double sum =
        parmap::map_reduce(TypeParam::engine, term, std::plus{}, 0.1, tasks(n), {.workers = workers}).value();
    EXPECT_EQ(std::bit_cast<std::uint64_t>(sum), std::bit_cast<std::uint64_t>(expected)) << workers << " workers";
  }
  const double loop =
      std::accumulate(tasks(n).begin(), tasks(n).end(), 0.1, [](double sum, std::uint64_t i) { return sum + term(i); });
  EXPECT_NE(loop, expected);  // so that the order is seen
}

TYPED_TEST(map_reduce, of_up_to_a_block_is_a_plain_loop) {
  double loop = 0.1;
  for (std::uint64_t i = 0; i < parmap::reduction_block; ++i) loop += term(i);
  EXPECT_EQ(parmap::map_reduce(TypeParam::engine, term, std::plus{}, 0.1, tasks(512)).value(), loop);
}

TYPED_TEST(map_reduce, need_not_be_commutative) {
  constexpr std::uint64_t n = 3000;
  const matrix one{1, 0, 0, 1};
  const auto expected = by_hand::map_reduce(rotation, product, one, n).value();
  EXPECT_EQ(parmap::map_reduce(TypeParam::engine, rotation, product, one, tasks(n), {.workers = 3}).value(), expected);
}

TYPED_TEST(map_reduce, of_several_axes_and_with_a_context) {
  const std::vector<int> a{1, 2, 3};
  const std::vector<std::string> b{"x", "yy"};
  const auto f = [](int i, const std::string& s) { return std::to_string(i) + s; };
  EXPECT_EQ(parmap::map_reduce(TypeParam::engine, f, std::plus{}, std::string(), a, b).value(), "1x1yy2x2yy3x3yy");
  const auto drawn = [](parmap::context& self, std::uint64_t) { return self.rng()(); };
  const auto mix = [](std::uint64_t x, std::uint64_t y) { return x * 31 + y; };
  const auto all = parmap::map_reduce(TypeParam::engine, drawn, mix, std::uint64_t{0}, tasks(2000), {.seed = 7});
  EXPECT_EQ(all.seed(), 7U);
  EXPECT_EQ(all.value(),
            parmap::map_reduce(parmap::serial, drawn, mix, std::uint64_t{0}, tasks(2000), {.seed = 7}).value());
}

TYPED_TEST(map_reduce, of_values_by_codec_and_by_fields) {
  const auto f = [](std::uint64_t i) { return text_and_count{std::to_string(i), 1}; };
  const auto op = [](const text_and_count& a, const text_and_count& b) {
    return text_and_count{a.text + b.text, a.count + b.count};
  };
  const auto all = parmap::map_reduce(TypeParam::engine, f, op, text_and_count{}, tasks(1500)).value();
  std::string text;
  for (std::uint64_t i = 0; i < 1500; ++i) text += std::to_string(i);
  EXPECT_EQ(all.count, 1500);
  EXPECT_EQ(all.text, text);
}

TYPED_TEST(map_reduce, converts_what_is_not_narrowed) {
  const auto small = [](std::uint64_t i) { return static_cast<int>(i % 5); };
  EXPECT_EQ(parmap::map_reduce(TypeParam::engine, small, std::plus{}, 0.0, tasks(10)).value(), 20.0);
  EXPECT_EQ(parmap::map_reduce(
                TypeParam::engine, [](std::uint64_t) { return "ab"; }, std::plus{}, std::string(), tasks(3))
                .value(),
            "ababab");
}

TYPED_TEST(map_reduce, tells_size_summary_and_progress) {
  std::uint64_t done = 0;
  const auto all = parmap::map_reduce(TypeParam::engine, term, std::plus{}, 0.0, tasks(700),
                                      {.reporter = [&](const parmap::progress& p) { done = p.done(); }});
  EXPECT_TRUE(all.ok());
  EXPECT_EQ(all.size(), 700U);
  EXPECT_EQ(all.summary().completed, 700U);
  EXPECT_EQ(done, 700U);
  EXPECT_EQ(all.partial(), all.value());
}

TYPED_TEST(map_reduce, retries_tasks_and_does_not_count_a_value_twice) {
  const auto f = [](parmap::context& self, std::uint64_t i) {
    if (i % 100 == 3 && self.attempt() < 3) throw std::runtime_error("not yet");
    return std::to_string(i);
  };
  for (const auto delay : {0us, 100us})
    EXPECT_EQ(parmap::map_reduce(TypeParam::engine, f, in_brackets{}, std::string(), tasks(1300),
                                 {.retries = 2, .retry_delay = delay, .workers = 3})
                  .value(),
              by_hand::map_reduce(name_of, in_brackets{}, std::string(), 1300).value());
}

TYPED_TEST(map_reduce, stops) {
  std::stop_source source;
  source.request_stop();
  const auto all = parmap::map_reduce(TypeParam::engine, name_of, in_brackets{}, std::string("init"), tasks(2000),
                                      {.stop = source.get_token()});
  EXPECT_EQ(all.failures().size(), 2000U);
  EXPECT_EQ(all.failures().front().kind, failure::stopped);
  EXPECT_EQ(all.partial(), "init");
  EXPECT_THROW(static_cast<void>(all.value()), parmap::map_failed);
}

TEST(map_reduce_named, runs_on_the_engine_of_that_name) {
  for (const char* name : {"serial", "threads", "multi"})
    EXPECT_EQ(
        parmap::map_reduce(parmap::engine_named(name), name_of, in_brackets{}, std::string("init"), tasks(600)).value(),
        by_hand::map_reduce(name_of, in_brackets{}, std::string("init"), 600).value());
  struct stuck {
    explicit stuck(int) {}
    std::shared_ptr<int> held;  // cannot leave a worker
  };
  const auto f = [](std::uint64_t) { return stuck(1); };
  const auto op = [](const stuck& a, const stuck&) { return a; };
  EXPECT_THROW(static_cast<void>(parmap::map_reduce(parmap::engine_named("multi"), f, op, stuck(0), tasks(3))),
               std::invalid_argument);
}

// ---- Failures

TYPED_TEST(map_reduce_skipping, leaves_out_the_tasks_that_failed) {
  const auto f = [](std::uint64_t i) {
    if (i % 300 == 0) throw std::runtime_error("no " + std::to_string(i));
    return name_of(i);
  };
  for (const unsigned workers : {1U, 2U, 4U}) {
    const auto all =
        parmap::map_reduce(TypeParam::engine, f, in_brackets{}, std::string("init"), tasks(2000), {.workers = workers});
    ASSERT_EQ(all.failures().size(), 7U);
    EXPECT_EQ(all.failures()[1].index, 300U);
    EXPECT_EQ(all.failures()[1].message, "std::runtime_error: no 300");
    EXPECT_EQ(all.failures()[1].inputs, "300");
    EXPECT_EQ(all.summary().failed(), 7U);
    EXPECT_THROW(static_cast<void>(all.value()), parmap::map_failed);
    expect_partial(all, by_hand::map_reduce(name_of, in_brackets{}, std::string("init"), 2000));
  }
}

TYPED_TEST(map_reduce_skipping, leaves_out_whole_blocks) {
  const auto f = [](std::uint64_t i) {
    if (i < 600 || (i >= 1024 && i < 2048)) throw std::runtime_error("no");
    return name_of(i);
  };
  const auto all =
      parmap::map_reduce(TypeParam::engine, f, in_brackets{}, std::string("init"), tasks(3000), {.workers = 2});
  EXPECT_EQ(all.failures().size(), 600U + 1024U);
  expect_partial(all, by_hand::map_reduce(name_of, in_brackets{}, std::string("init"), 3000));
}

TYPED_TEST(map_reduce_skipping, says_which_tasks_were_combined_when_op_throws) {
  const auto op = [](const std::string& a, const std::string& b) {
    if (b == "700" || (b.size() > 100 && b.find("1100") != std::string::npos)) throw std::runtime_error("op");
    return in_brackets{}(a, b);
  };
  for (const unsigned workers : {1U, 2U, 4U}) {
    const auto all =
        parmap::map_reduce(TypeParam::engine, name_of, op, std::string("init"), tasks(2000), {.workers = workers});
    ASSERT_EQ(all.failures().size(), 2U) << all.failures();
    EXPECT_EQ(all.failures()[0].index, 700U);
    EXPECT_EQ(all.failures()[0].message, "combining tasks 512..1023: std::runtime_error: op");
    EXPECT_EQ(all.failures()[1].index, 1024U);
    EXPECT_EQ(all.failures()[1].message, "combining tasks 0..1999: std::runtime_error: op");
    expect_partial(all, by_hand::map_reduce(name_of, in_brackets{}, std::string("init"), 2000));
  }
}

TYPED_TEST(map_reduce_skipping, keeps_what_is_done_when_max_failures_is_reached) {
  const auto f = [](std::uint64_t i) {
    if (i == 0) throw std::runtime_error("no");
    return name_of(i);
  };
  const auto all = parmap::map_reduce(TypeParam::engine, f, in_brackets{}, std::string("init"), tasks(5000),
                                      {.max_failures = 1, .workers = 2});
  EXPECT_FALSE(all.ok());
  expect_partial(all, by_hand::map_reduce(name_of, in_brackets{}, std::string("init"), 5000));
}

TYPED_TEST(map_reduce_skipping, keeps_what_is_done_at_the_deadline) {
  const auto f = [](std::uint64_t i) {
    ::usleep(1000);
    return name_of(i);
  };
  const auto all = parmap::map_reduce(TypeParam::engine, f, in_brackets{}, std::string("init"), tasks(100'000),
                                      {.deadline = 300ms, .workers = 2});
  EXPECT_FALSE(all.ok());
  EXPECT_LT(all.failures().size(), 100'000U);
  // The failures are long runs, so that a search for each task would take too long: the numbers in the value do.
  std::uint64_t in_it = 0;
  for (const char c : all.partial()) in_it += c == ' ';
  EXPECT_EQ(in_it, all.size() - all.failures().size());
}

// One task for each worker waits until all of them have begun: a block binds no task to a worker.
TEST(map_reduce_threads, uses_all_workers_within_a_block) {
  std::atomic<unsigned> begun{0};
  const auto f = [&](std::uint64_t) {
    ++begun;
    begun.notify_all();
    for (unsigned seen = begun; seen < 4; seen = begun) begun.wait(seen);
    return 1;
  };
  EXPECT_EQ(parmap::map_reduce(parmap::threads, f, std::plus{}, 0, tasks(4), {.workers = 4}).value(), 4);
}

TEST(map_reduce_threads, keeps_the_exception_of_op) {
  const auto op = [](int a, int b) -> int {
    if (b == 5) throw std::out_of_range("five");
    return a + b;
  };
  const auto all =
      parmap::map_reduce(parmap::threads, [](std::uint64_t i) { return static_cast<int>(i); }, op, 0, tasks(10));
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_THROW(all.failures()[0].rethrow(), std::out_of_range);
}

TEST(map_reduce_threads, leaves_out_a_task_that_is_too_late) {
  const auto f = [](parmap::context& self, std::uint64_t i) {
    if (i == 3)
      while (!self.stop_token().stop_requested()) ::usleep(100);
    return name_of(i);
  };
  const auto all =
      parmap::map_reduce(parmap::threads, f, in_brackets{}, std::string(), tasks(6), {.timeout = 50ms, .workers = 2});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].kind, failure::timed_out);
  expect_partial(all, by_hand::map_reduce(name_of, in_brackets{}, std::string(), 6));
}

TEST(map_reduce_serial, lets_the_first_exception_out) {
  const auto f = [](std::uint64_t i) {
    if (i == 700) throw std::out_of_range("task");
    return term(i);
  };
  EXPECT_THROW(static_cast<void>(parmap::map_reduce(parmap::serial, f, std::plus{}, 0.0, tasks(2000))),
               std::out_of_range);
  const auto op = [](double a, double b) {
    if (b > 1e300) throw std::overflow_error("op");
    return a + b;
  };
  const auto large = [](std::uint64_t i) { return i == 600 ? 1e301 : 1.0; };
  EXPECT_THROW(static_cast<void>(parmap::map_reduce(parmap::serial, large, op, 0.0, tasks(2000))), std::overflow_error);
  // The combination of two blocks.
  const auto of_blocks = [](std::uint64_t i) { return i == 512 ? 1e301 : 1.0; };
  EXPECT_THROW(static_cast<void>(parmap::map_reduce(parmap::serial, of_blocks, op, 0.0, tasks(2000))),
               std::overflow_error);
  EXPECT_THROW(static_cast<void>(parmap::map_reduce(parmap::serial, of_blocks, op, 0.0, tasks(513), {.retries = 2})),
               std::overflow_error);
}

// ---- Deaths, under multi

class map_reduce_multi : public leftovers::none {};

TEST_F(map_reduce_multi, loses_a_task_that_ends_its_worker_and_no_other) {
  const auto f = [](std::uint64_t i) { return i % 450 == 7 ? die() : name_of(i); };
  for (const unsigned workers : {1U, 2U, 4U}) {
    const auto all = parmap::map_reduce(f, in_brackets{}, std::string("init"), tasks(3000), {.workers = workers});
    ASSERT_EQ(all.failures().size(), 7U) << all.failures();
    EXPECT_EQ(all.failures()[2].index, 907U);
    EXPECT_EQ(all.failures()[2].kind, failure::crashed);
    EXPECT_EQ(all.failures()[2].message.find("combining"), std::string::npos);
    expect_partial(all, by_hand::map_reduce(name_of, in_brackets{}, std::string("init"), 3000));
  }
}

TEST_F(map_reduce_multi, gives_the_same_value_after_deaths_and_retries) {
  const auto f = [](parmap::context& self, std::uint64_t i) {
    if (i % 170 == 50 && self.attempt() == 1) die();
    return term(i);
  };
  const double expected = by_hand::map_reduce(term, std::plus{}, 0.0, 4000).value();
  for (const unsigned workers : {1U, 3U})
    for (const auto delay : {0us, 100us})
      EXPECT_EQ(
          parmap::map_reduce(f, std::plus{}, 0.0, tasks(4000), {.retries = 1, .retry_delay = delay, .workers = workers})
              .value(),
          expected);
}

TEST_F(map_reduce_multi, names_the_tasks_that_were_combined_when_op_ends_its_worker) {
  const auto op = [](const std::string& a, const std::string& b) {
    if (b == "700" || (b.size() > 100 && b.find("1100") != std::string::npos)) die();
    return in_brackets{}(a, b);
  };
  for (const unsigned workers : {1U, 2U, 4U}) {
    const auto all = parmap::map_reduce(name_of, op, std::string("init"), tasks(2000), {.workers = workers});
    ASSERT_EQ(all.failures().size(), 2U) << all.failures();
    EXPECT_EQ(all.failures()[0].index, 700U);
    EXPECT_EQ(all.failures()[0].kind, failure::crashed);
    EXPECT_TRUE(all.failures()[0].message.starts_with("combining tasks 512..1023: SIGKILL")) << all.failures();
    EXPECT_EQ(all.failures()[1].index, 1024U);
    EXPECT_TRUE(all.failures()[1].message.starts_with("combining tasks 0..1999: SIGKILL")) << all.failures();
    expect_partial(all, by_hand::map_reduce(name_of, in_brackets{}, std::string("init"), 2000));
  }
}

TEST_F(map_reduce_multi, limits_the_time_of_a_task_and_of_op) {
  const auto f = [](std::uint64_t i) {
    if (i == 5) ::pause();
    return name_of(i);
  };
  const auto op = [](const std::string& a, const std::string& b) {
    if (b == "9") ::pause();
    return in_brackets{}(a, b);
  };
  const auto all = parmap::map_reduce(f, op, std::string("init"), tasks(12), {.timeout = 200ms, .workers = 2});
  ASSERT_EQ(all.failures().size(), 2U) << all.failures();
  EXPECT_EQ(all.failures()[0].index, 5U);
  EXPECT_EQ(all.failures()[0].kind, failure::timed_out);
  EXPECT_EQ(all.failures()[1].index, 9U);
  EXPECT_EQ(all.failures()[1].kind, failure::timed_out);
  EXPECT_TRUE(all.failures()[1].message.starts_with("combining tasks 0..11: ")) << all.failures();
  expect_partial(all, by_hand::map_reduce(name_of, in_brackets{}, std::string("init"), 12));
}

TEST_F(map_reduce_multi, leaves_out_a_value_for_which_op_has_no_memory) {
  const auto f = [](std::uint64_t i) { return std::vector<std::uint64_t>(i == 4 ? 1 : 2, i); };
  const auto op = [](const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
    if (b.size() == 1) throw std::bad_alloc();
    return std::vector<std::uint64_t>{a[0] + b[0], a[1] + b[1]};
  };
  const auto all = parmap::map_reduce(f, op, std::vector<std::uint64_t>{0, 0}, tasks(8));
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].kind, failure::out_of_memory);
  EXPECT_EQ(all.partial(), (std::vector<std::uint64_t>{24, 24}));
}

// ---- Properties

template <class Engine>
void check_any_order() {
  check_property([] {
    const auto n = *rc::gen::inRange<std::uint64_t>(0, 4000);
    const auto workers = *rc::gen::inRange(1U, 5U);
    const auto fails = *rc::gen::inRange<std::uint64_t>(0, 3);
    const auto salt = *rc::gen::inRange<std::uint64_t>(0, 1'000'000);
    const auto bad = [=](std::uint64_t i) { return fails != 0 && (i * 2'654'435'761 + salt) % 1000 < 4 * fails; };
    const auto f = [=](std::uint64_t i) {
      if (bad(i)) throw std::runtime_error("no");
      return name_of(i);
    };
    const auto all =
        parmap::map_reduce(Engine::engine, f, in_brackets{}, std::string("0"), tasks(n), {.workers = workers});
    auto expected = by_hand::map_reduce(name_of, in_brackets{}, std::string("0"), n);
    expected.failed = bad;
    RC_ASSERT(all.partial() == expected.value());
  });
}
TEST(map_reduce_property, any_order_under_threads) { check_any_order<engines::threads>(); }
TEST(map_reduce_property, any_order_under_multi) { check_any_order<engines::multi>(); }

}  // namespace
