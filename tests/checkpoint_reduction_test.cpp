// SPDX-License-Identifier: MIT
// map_reduce and fold with a checkpoint: the values of tasks are stored, and the result is bitwise that without a
// store.
#include "engines.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/detail/checkpoints/database.hpp>

#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace {

using scratch::folder;
using stored_maps::has;
using stored_maps::kept_in;
using stored_maps::message_of;
using stored_maps::run_count;

std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }

template <class Engine>
class checkpoint_reduction : public ::testing::Test {};
using reducing = ::testing::Types<engines::serial, engines::threads, engines::multi>;
TYPED_TEST_SUITE(checkpoint_reduction, reducing, engines::names);

TYPED_TEST(checkpoint_reduction, has_the_bits_of_one_without_a_store) {
  const folder here;
  const run_count runs(here);
  const auto f = [](parmap::context& self, int i) {
    return 1.0 / (i + 1) + 1e-9 * static_cast<double>(self.rng()() % 7);
  };
  const auto counted = [&](parmap::context& self, int i) {
    runs.add();
    return f(self, i);
  };
  const auto reduce = [&](int n) {
    return parmap::map_reduce(TypeParam::engine, counted, std::plus{}, 0.25, parmap::axis("i", std::views::iota(0, n)),
                              kept_in(here.file()));
  };
  const auto part = reduce(700);
  EXPECT_EQ(runs.take(), 700U);
  const auto whole = reduce(1500);
  EXPECT_EQ(runs.take(), 800U);
  EXPECT_EQ(whole.stored(), 700U);
  EXPECT_TRUE(whole.is_stored(699));
  EXPECT_FALSE(whole.is_stored(700));
  for (const auto& [made, n] : {std::pair(&part, 700), std::pair(&whole, 1500)})
    EXPECT_EQ(bits(made->value()), bits(parmap::map_reduce(TypeParam::engine, f, std::plus{}, 0.25,
                                                           std::views::iota(0, n), {.seed = made->seed()})
                                            .value()));
  EXPECT_EQ(bits(reduce(1500).value()), bits(whole.value()));
  EXPECT_EQ(runs.take(), 0U);
  // A map has the same values; so has a reduction by another op.
  EXPECT_EQ(parmap::map(TypeParam::engine, counted, parmap::axis("i", std::views::iota(0, 1500)), kept_in(here.file()))
                .stored(),
            1500U);
}

TYPED_TEST(checkpoint_reduction, folds_too) {
  const folder here;
  const run_count runs(here);
  using histogram = std::map<int, double>;
  const auto step = [&](parmap::context& self, histogram& into, int i) {
    into[i % 3] += 1.0 / (i + 1) + 1e-9 * static_cast<double>(self.rng()() % 7);
  };
  const auto counted = [&](parmap::context& self, histogram& into, int i) {
    runs.add();
    step(self, into, i);
  };
  const auto merge = [](histogram& a, const histogram& b) {
    for (const auto& [bin, sum] : b) a[bin] += sum;
  };
  const auto fold = [&](int n, const histogram& identity) {
    return parmap::fold(TypeParam::engine, identity, counted, merge, parmap::axis("i", std::views::iota(0, n)),
                        kept_in(here.file()));
  };
  EXPECT_TRUE(fold(40, {}).ok());
  EXPECT_EQ(runs.take(), 40U);
  const auto whole = fold(100, {});
  EXPECT_EQ(runs.take(), 60U);
  EXPECT_EQ(whole.value(),
            parmap::fold(TypeParam::engine, histogram(), step, merge, std::views::iota(0, 100), {.seed = whole.seed()})
                .value());
  EXPECT_TRUE(has(message_of([&] { std::ignore = fold(100, {{1, 2.0}}); }), "the identity of the fold there is"));
  EXPECT_EQ(fold(0, {}).value(), histogram());
}

TEST(checkpoint_reductions, failures_are_left_out_and_run_again) {
  const folder here;
  bool mended = false;
  const auto f = [&](int i) {
    if (i % 10 == 3 && !mended) throw std::runtime_error("no");
    return i;
  };
  const auto sum = [&] {
    return parmap::map_reduce(parmap::threads, f, std::plus{}, 0, parmap::axis("i", std::views::iota(0, 30)),
                              kept_in(here.file()));
  };
  const auto first = sum();
  EXPECT_EQ(first.failures().size(), 3U);
  EXPECT_EQ(first.failures()[1].inputs, "i=13");
  EXPECT_EQ(first.partial(), 435 - 3 - 13 - 23);
  mended = true;
  EXPECT_EQ(sum().value(), 435);
}

TEST(checkpoint_reductions, what_op_throws_is_as_without_a_store) {
  const folder here;
  const auto f = [](int i) { return i; };
  const auto op = [](int a, int b) {
    if (b == 5) throw std::runtime_error("op");
    return a + b;
  };
  EXPECT_THROW(std::ignore = parmap::map_reduce(parmap::serial, f, op, 0, std::views::iota(0, 8), kept_in(here.file())),
               std::runtime_error);
  const auto r = parmap::map_reduce(parmap::threads, f, op, 0, std::views::iota(0, 8), kept_in(here.file()));
  ASSERT_EQ(r.failures().size(), 1U);
  EXPECT_EQ(r.failures()[0].index, 5U);
  EXPECT_TRUE(has(r.failures()[0].message, "combining tasks 0..7"));
  EXPECT_EQ(r.stored(), 8U) << "the values of tasks are stored, whatever op does";
}

int twice(int i) { return 2 * i; }

TEST(checkpoint_reductions, run_on_a_pool) {
  const folder here;
  const parmap::pool workers({.workers = 1});
  for (const std::uint64_t stored : {0U, 10U}) {
    const auto sum = parmap::map_reduce(workers, twice, std::plus{}, 0, parmap::axis("i", std::views::iota(0, 10)),
                                        kept_in(here.file()));
    EXPECT_EQ(sum.value(), 90);
    EXPECT_EQ(sum.stored(), stored);
  }
}

TEST(checkpoint_reductions, refuse_values_without_a_codec) {
  const folder here;
  const auto f = [](int i) { return std::make_shared<int>(i); };
  const auto op = [](const std::shared_ptr<int>& a, const std::shared_ptr<int>& b) {
    return std::make_shared<int>(*a + *b);
  };
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore = parmap::map_reduce(parmap::threads, f, op, std::make_shared<int>(0),
                                                     std::vector{1, 2}, kept_in(here.file()));
                  }),
                  "cannot keep values of this type"));
}

}  // namespace
