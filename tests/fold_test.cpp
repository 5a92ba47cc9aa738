// SPDX-License-Identifier: MIT
// fold: the order in which accumulators are filled and merged, on every engine and any number of workers, and what
// failures leave.
#include "engines.hpp"
#include "reductions.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
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

struct histogram {
  std::vector<double> bins = std::vector<double>(16);

  void add(std::uint64_t i) { bins[i * 7 % bins.size()] += term(i); }
  histogram& operator+=(const histogram& other) {
    for (std::size_t k = 0; k < bins.size(); ++k) bins[k] += other.bins[k];
    return *this;
  }
  friend bool operator==(const histogram&, const histogram&) = default;
};
void add_to(histogram& all, std::uint64_t i) { all.add(i); }
void add_all(histogram& all, const histogram& more) { all += more; }

template <class Engine>
class fold : public leftovers::none {};
TYPED_TEST_SUITE(fold, engines_that_reduce, engines::names);
template <class Engine>
class fold_skipping : public leftovers::none {};
TYPED_TEST_SUITE(fold_skipping, engines_that_skip, engines::names);

TYPED_TEST(fold, makes_a_histogram_in_the_documented_order) {
  for (const std::uint64_t n : {0, 1, 2, 1000, 2047, 2048, 5000, 20'000})
    for (const unsigned workers : {1U, 2U, 5U})
      EXPECT_EQ(parmap::fold(TypeParam::engine, histogram{}, add_to, add_all, tasks(n), {.workers = workers}).value(),
                by_hand::fold(histogram{}, add_to, add_all, n).value())
          << n << " tasks, " << workers << " workers";
}

TYPED_TEST(fold, takes_a_context_and_several_axes) {
  const auto step = [](parmap::context& self, std::vector<std::uint64_t>& all, int a, int b) {
    all.push_back(self.index() * 100 + static_cast<std::uint64_t>(a * 10 + b));
  };
  const auto merge = [](std::vector<std::uint64_t>& all, const std::vector<std::uint64_t>& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  EXPECT_EQ(parmap::fold(TypeParam::engine, std::vector<std::uint64_t>{}, step, merge, std::vector{1, 2},
                         std::vector{3, 4}, {.workers = 2})
                .value(),
            (std::vector<std::uint64_t>{13, 114, 223, 324}));
}

TYPED_TEST(fold, restores_the_accumulator_before_a_retry) {
  const auto step = [](parmap::context& self, histogram& all, std::uint64_t i) {
    if (i % 40 == 3 && self.attempt() == 1) {
      all.bins.assign(1, -1);  // half-way
      throw std::runtime_error("half-way");
    }
    all.add(i);
  };
  EXPECT_EQ(parmap::fold(TypeParam::engine, histogram{}, step, add_all, tasks(5000), {.retries = 1}).value(),
            by_hand::fold(histogram{}, add_to, add_all, 5000).value());
}

TYPED_TEST(fold, of_a_step_that_does_not_throw) {
  const auto step = [](double& sum, std::uint64_t i) noexcept { sum += term(i); };
  const auto merge = [](double& sum, double more) { sum += more; };
  EXPECT_EQ(parmap::fold(TypeParam::engine, 0.0, step, merge, tasks(30'000), {.workers = 3}).value(),
            by_hand::fold(0.0, step, merge, 30'000).value());
}

TYPED_TEST(fold_skipping, leaves_no_trace_of_a_step_that_threw_half_way) {
  const auto step = [](histogram& all, std::uint64_t i) {
    all.add(i);
    if (i % 41 == 0) {
      all.bins.clear();
      throw std::runtime_error("half-way");
    }
  };
  for (const unsigned workers : {1U, 3U}) {
    const auto all = parmap::fold(TypeParam::engine, histogram{}, step, add_all, tasks(4000), {.workers = workers});
    EXPECT_EQ(all.failures().size(), 98U);
    expect_partial(all, by_hand::fold(histogram{}, add_to, add_all, 4000));
  }
}

TYPED_TEST(fold_skipping, says_which_tasks_were_merged_when_merge_throws) {
  const auto merge = [](histogram& all, const histogram& more) {
    all += more;
    if (more.bins[5] != 0 && more.bins[6] == 0) throw std::runtime_error("half-way");
  };
  const auto all = parmap::fold(TypeParam::engine, histogram{}, add_to, merge, tasks(6), {.workers = 2});
  // Task 3 alone is in bin 5.
  ASSERT_EQ(all.failures().size(), 1U) << all.failures();
  EXPECT_EQ(all.failures()[0].index, 3U);
  EXPECT_EQ(all.failures()[0].message, "combining tasks 2..3: std::runtime_error: half-way");
  expect_partial(all, by_hand::fold(histogram{}, add_to, add_all, 6));
}

TYPED_TEST(fold_skipping, refuses_retries_that_wait) {
  const auto call = [](const parmap::options& chosen) {
    static_cast<void>(parmap::fold(TypeParam::engine, histogram{}, add_to, add_all, tasks(3), chosen));
  };
  EXPECT_THROW(call({.retries = 1, .retry_delay = 1ms}), std::invalid_argument);
  EXPECT_THROW(call({.retries = 1, .retry_if = [](const failure&) { return true; }}), std::invalid_argument);
}

class fold_multi : public leftovers::none {};

TEST_F(fold_multi, is_the_same_after_deaths) {
  const auto retried = [](parmap::context& self, histogram& all, std::uint64_t i) {
    if (i % 333 == 5 && self.attempt() == 1) die();
    all.add(i);
  };
  const auto dying = [](histogram& all, std::uint64_t i) {
    if (i % 333 == 5) die();
    all.add(i);
  };
  for (const unsigned workers : {1U, 3U}) {
    EXPECT_EQ(parmap::fold(histogram{}, retried, add_all, tasks(4000), {.retries = 1, .workers = workers}).value(),
              by_hand::fold(histogram{}, add_to, add_all, 4000).value());
    const auto all = parmap::fold(histogram{}, dying, add_all, tasks(4000), {.workers = workers});
    EXPECT_EQ(all.failures().size(), 12U);
    expect_partial(all, by_hand::fold(histogram{}, add_to, add_all, 4000));
  }
}

}  // namespace
