// SPDX-License-Identifier: MIT
// fold with a checkpoint: the accumulator of a block is stored after each of its tasks, so that the result has the bits
// of a fold without one, however often it was broken off.
#include "engines.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/detail/checkpoints/database.hpp>

#include <cstdint>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

namespace {

using scratch::folder;
using stored_maps::has;
using stored_maps::kept_in;
using stored_maps::message_of;
using stored_maps::run_count;

using sums = std::vector<double>;

void add(parmap::context& self, sums& into, int i) {
  into[static_cast<std::size_t>(i % 3)] += 1.0 / (i + 1) + 1e-9 * static_cast<double>(self.rng()() % 7);
}
void add_all(sums& a, const sums& b) {
  for (std::size_t k = 0; k < a.size(); ++k) a[k] += b[k];
}
std::vector<std::uint64_t> bits(const sums& all) {
  std::vector<std::uint64_t> made(all.size());
  std::memcpy(made.data(), all.data(), all.size() * sizeof(double));
  return made;
}
auto axis(int n) { return parmap::axis("i", std::views::iota(0, n)); }

template <class Engine>
class checkpoint_fold : public ::testing::Test {};
using folding = ::testing::Types<engines::serial, engines::threads, engines::multi>;
TYPED_TEST_SUITE(checkpoint_fold, folding, engines::names);

// In each run other tasks fail, until the run is ended by the third failure (under serial by the first).
TYPED_TEST(checkpoint_fold, has_the_bits_of_one_without_a_store_however_often_it_was_broken_off) {
  constexpr std::uint64_t seed = 20261202;
  std::cout << "seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  for (const int n : {1, 2047, 2048, 3000 + static_cast<int>(random() % 4000)}) {
    const folder here;
    const std::uint64_t own = random();
    const sums undisturbed = parmap::fold(parmap::serial, sums(3), add, add_all, axis(n), {.seed = own}).value();
    for (int run = 0;; ++run) {
      ASSERT_LT(run, 8);
      const std::uint64_t salt = random();
      const auto step = [&](parmap::context& self, sums& into, int i) {
        add(self, into, i);
        if (run < 6 && (static_cast<std::uint64_t>(i) * 0x9e37'79b9'7f4a'7c15 ^ salt) % 400 == 0)
          throw std::runtime_error("in this run");
      };
      parmap::options how = kept_in(here.file());
      how.max_failures = 3;
      how.seed = own;
      try {
        const auto made = parmap::fold(TypeParam::engine, sums(3), step, add_all, axis(n), how);
        if (!made.ok()) continue;
        EXPECT_EQ(bits(made.value()), bits(undisturbed)) << n << " tasks, " << run << " runs before";
        break;
      } catch (const std::runtime_error& error) {
        ASSERT_STREQ(error.what(), "in this run");
      }
    }
    // Only the last accumulator of a block is kept.
    EXPECT_EQ(parmap::detail::database(here.file()).number("SELECT count(*) FROM result_1"), n);
    const auto blocks = (static_cast<std::uint64_t>(n) - 1) / parmap::fold_block(static_cast<std::uint64_t>(n)) + 1;
    EXPECT_EQ(parmap::detail::database(here.file()).number("SELECT count(value) FROM result_1"),
              static_cast<std::int64_t>(blocks));
  }
}

TYPED_TEST(checkpoint_fold, runs_what_is_missing_on_any_engine) {
  const folder here;
  const run_count runs(here);
  constexpr int n = 2100;  // blocks of two tasks
  std::stop_source enough;
  const auto step = [&](parmap::context& self, sums& into, int i) {
    runs.add();
    add(self, into, i);
  };
  parmap::options how = kept_in(here.file());
  how.seed = 3;
  how.stop = enough.get_token();
  how.reporter = [&](const parmap::progress& now) {
    EXPECT_EQ(now.total, 2100U);
    if (now.done() >= 1100) enough.request_stop();  // in the second round
  };
  const auto part = parmap::fold(TypeParam::engine, sums(3), step, add_all, axis(n), how);
  const std::uintmax_t ran = runs.take();
  ASSERT_FALSE(part.ok() && ran < n);
  for (const parmap::failure& why : part.failures()) ASSERT_EQ(why.kind, parmap::failure::stopped);
  EXPECT_EQ(part.failures().size(), n - ran);

  how.stop = {};
  how.reporter = parmap::report::silent;
  const auto whole = parmap::fold(parmap::threads, sums(3), step, add_all, axis(n), how);
  EXPECT_EQ(runs.take(), n - ran);
  EXPECT_EQ(whole.stored(), ran);
  EXPECT_EQ(bits(whole.value()),
            bits(parmap::fold(parmap::threads, sums(3), add, add_all, axis(n), {.seed = 3}).value()));
  EXPECT_EQ(whole.summary().tasks, 2100U);
}

TEST(checkpoint_folds, a_failed_task_takes_what_lies_behind_it_out_of_the_file) {
  const folder here;
  const run_count runs(here);
  bool mended = false;
  const auto step = [&](sums& into, int i) {
    runs.add();
    if (i == 1000 && !mended) throw std::runtime_error("no");
    into[0] += 1.0 / (i + 1);
  };
  const auto fold = [&](parmap::checkpoint_options how) {
    return parmap::fold(parmap::threads, sums(3), step, add_all, axis(3072), kept_in(here.file(), std::move(how)));
  };
  const auto first = fold({.name = "f"});  // blocks of three tasks: 999, 1000, 1001
  ASSERT_EQ(first.failures().size(), 1U);
  EXPECT_EQ(first.failures()[0].index, 1000U);
  EXPECT_EQ(first.failures()[0].inputs, "i=1000");
  EXPECT_EQ(runs.take(), 3072U);
  const auto kept = fold({.name = "f", .rerun = std::vector<parmap::failure_kind>()});
  EXPECT_EQ(runs.take(), 0U);
  EXPECT_EQ(kept.failures().size(), 1U);
  EXPECT_EQ(kept.failures()[0].inputs, "i=1000");
  EXPECT_EQ(bits(kept.partial()), bits(first.partial()));
  mended = true;
  const auto whole = fold({.name = "f"});
  EXPECT_EQ(runs.take(), 3U) << "the accumulator before task 1000 is not there any more";
  EXPECT_EQ(bits(whole.value()), bits(parmap::fold(parmap::serial, sums(3), step, add_all, axis(3072)).value()));
}

TEST(checkpoint_folds, refuse_other_axes_and_other_calls) {
  const folder here;
  const auto fold = [&](int n, const sums& identity) {
    return parmap::fold(parmap::threads, identity, add, add_all, axis(n), kept_in(here.file()));
  };
  EXPECT_TRUE(fold(2100, sums(3)).ok());
  EXPECT_TRUE(has(message_of([&] { std::ignore = fold(2101, sums(3)); }),
                  "the number of tasks of the fold, or the order of its axes, there is 2100, and here it is 2101"));
  EXPECT_TRUE(has(message_of([&] { std::ignore = fold(4100, sums(3)); }),
                  "the number of tasks in a block of the fold there is 2, and here it is 4"));
  EXPECT_TRUE(has(message_of([&] { std::ignore = fold(2100, sums{1, 0, 0}); }), "the identity of the fold there is"));
  const auto reversed = std::views::iota(0, 2100) | std::views::reverse;
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore = parmap::fold(parmap::threads, sums(3), add, add_all, parmap::axis("i", reversed),
                                               kept_in(here.file()));
                  }),
                  "the order of its axes"));
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore =
                        parmap::map(parmap::threads, [](int) { return sums(3); }, axis(2100), kept_in(here.file()));
                  }),
                  "the kind of call there is fold, and here it is map"));
  EXPECT_EQ(fold(2100, sums(3)).stored(), 2100U) << "the refused calls have changed nothing";
}

TEST(checkpoint_folds, retry_a_step_and_leave_a_trace) {
  const folder here;
  std::map<int, int> attempts;
  const auto step = [&](sums& into, int i) {
    into[0] += 1;
    if (i % 700 == 0 && attempts[i]++ == 0) throw std::runtime_error("once");
  };
  parmap::options how = kept_in(here.file());
  how.retries = 1;
  std::uint64_t asked = 0;
  how.retry_if = [&](const parmap::failure& why) { return ++asked, why.index % 700 == 0; };
  how.trace = here.file("trace.json");
  how.workers = 1;
  const auto made = parmap::fold(parmap::threads, sums(3), step, add_all, axis(2100), how);
  EXPECT_EQ(made.value(), (sums{2100, 0, 0}));
  EXPECT_EQ(asked, 3U);
  EXPECT_TRUE(std::filesystem::exists(here.file("trace.json")));
}

TEST(checkpoint_folds, refuse_accumulators_without_a_codec) {
  const folder here;
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore = parmap::fold(
                        parmap::threads, std::make_shared<int>(0), [](std::shared_ptr<int>& a, int i) { *a += i; },
                        [](std::shared_ptr<int>& a, const std::shared_ptr<int>& b) { *a += *b; }, axis(3000),
                        kept_in(here.file()));
                  }),
                  "cannot keep values of this type"));
}

}  // namespace
