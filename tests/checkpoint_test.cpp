// SPDX-License-Identifier: MIT
// Maps whose outcomes are kept in a file: what is run again, what comes back, what is refused.
#include "engines.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/checkpoint.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using scratch::folder;

using stored_maps::message_of;
using stored_maps::run_count;

parmap::options stored(const std::string& path, parmap::checkpoint_options how = {.existing = {}, .name = "f"}) {
  return stored_maps::kept_in(path, std::move(how));
}

template <class Engine>
class checkpoint : public ::testing::Test {};
TYPED_TEST_SUITE(checkpoint, engines::all, engines::names);

TYPED_TEST(checkpoint, a_second_map_runs_nothing_and_returns_the_same) {
  const folder here;
  const run_count runs(here);
  const auto f = [&runs](parmap::context& self, double mu, int n) {
    runs.add();
    return std::pair(mu / n, self.rng()());
  };
  const std::vector mus{0.1, 0.2, -0.0};
  const auto sweep = [&] {
    return parmap::map(TypeParam::engine, f, parmap::axis("mu", mus), parmap::axis("n", {1, 2, 3, 7}),
                       stored(here.file()));
  };
  const auto first = sweep();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(runs.take(), 12U);
  const auto second = sweep();
  EXPECT_EQ(runs.take(), 0U);
  EXPECT_EQ(second.value(), first.value());
  EXPECT_EQ(second.seed(), first.seed());
  EXPECT_EQ(first.stored(), 0U);
  EXPECT_EQ(second.stored(), 12U);
  // The numbers are those of a map without a store.
  const auto plain = parmap::map(TypeParam::engine, f, mus, std::array{1, 2, 3, 7}, {.seed = first.seed()});
  EXPECT_EQ(plain.value(), first.value());
}

TYPED_TEST(checkpoint, values_of_many_types_come_back_bit_for_bit) {
  const folder here;
  int files = 0;
  const auto comes_back = [&](const auto& values) {
    const std::string file = here.file(std::to_string(++files));
    const auto f = [&values](std::size_t i) { return values[i]; };
    const auto indices = std::views::iota(std::size_t{0}, values.size());
    const auto first = parmap::map(TypeParam::engine, f, indices, stored(file)).value();
    EXPECT_EQ(first, values);
    EXPECT_EQ(parmap::map(TypeParam::engine, f, indices, stored(file)).value(), values) << files;
  };
  comes_back(std::vector<int>{0, -1, std::numeric_limits<int>::max()});
  comes_back(std::vector<std::uint64_t>{0, std::uint64_t{1} << 63, ~std::uint64_t{0}});
  comes_back(std::vector<double>{0.1, 1e300, std::numeric_limits<double>::denorm_min(), HUGE_VAL});
  comes_back(std::vector<float>{0.1F, -0.0F});
  comes_back(std::vector<char>{'a', '\xff'});
  comes_back(std::vector<char16_t>{u'a', u'\xffff'});
  comes_back(std::vector<std::string>{"", "plain", std::string("a\0b", 3), "\xff", "\xe2\x82\xac"});
  comes_back(std::vector<std::vector<double>>{{}, {1, 2, 3}});
  comes_back(std::vector<std::array<std::uint8_t, 3>>{{1, 2, 255}});
  comes_back(std::vector<std::map<std::string, int>>{{{"a", 1}}, {}});
  comes_back(std::vector<std::vector<std::string>>{{"a"}, {}});
}

TYPED_TEST(checkpoint, not_a_number_and_minus_zero_keep_their_bits) {
  const folder here;
  const auto f = [](int i) { return i == 0 ? -0.0 : std::nan("7"); };
  const auto once = [&] { return parmap::map(TypeParam::engine, f, std::array{0, 1}, stored(here.file())).value(); };
  const auto bits = [](double x) { return std::bit_cast<std::uint64_t>(x); };
  const auto first = once();
  const auto second = once();
  EXPECT_EQ(bits(second[0]), bits(-0.0));
  EXPECT_EQ(bits(second[1]), bits(first[1]));
}

template <class Engine>
class checkpoint_skipping : public ::testing::Test {};
TYPED_TEST_SUITE(checkpoint_skipping, engines::skipping, engines::names);

TYPED_TEST(checkpoint_skipping, failed_tasks_run_again) {
  const folder here;
  const run_count runs(here);
  bool mended = false;
  const auto sweep = [&](parmap::checkpoint_options how) {
    const auto f = [&](int i) {
      runs.add();
      if (i % 4 == 1 && !mended) throw std::runtime_error("no convergence");
      return i;
    };
    return parmap::map(TypeParam::engine, f, std::views::iota(0, 10), stored(here.file(), std::move(how)));
  };
  EXPECT_EQ(sweep({.name = "f"}).failures().size(), 3U);
  EXPECT_EQ(runs.take(), 10U);
  const auto kept = sweep({.name = "f", .rerun = std::vector<parmap::failure_kind>()});
  EXPECT_EQ(runs.take(), 0U);
  ASSERT_EQ(kept.failures().size(), 3U);
  EXPECT_EQ(kept.failures()[1].index, 5U);
  EXPECT_EQ(kept.failures()[1].message, "std::runtime_error: no convergence");
  EXPECT_EQ(kept.failures()[1].attempts, 1U);
  EXPECT_EQ(kept[6], 6);
  const auto again = sweep({.name = "f"});
  EXPECT_EQ(runs.take(), 3U);
  ASSERT_EQ(again.failures().size(), 3U);
  EXPECT_EQ(again.failures()[2].index, 9U);
  EXPECT_EQ(kept.stored(), 10U);
  EXPECT_EQ(again.stored(), 7U);
  EXPECT_TRUE(again.is_stored(0));
  EXPECT_FALSE(again.is_stored(5));
  EXPECT_FALSE(again.is_stored(10));
  for (const auto& each : again.outcomes()) EXPECT_EQ(each.stored, each.outcome.has_value());
  mended = true;
  EXPECT_EQ(sweep({.name = "f"}).value(), (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(runs.take(), 3U);
}

TYPED_TEST(checkpoint_skipping, what_was_stopped_goes_on) {
  const folder here;
  const run_count runs(here);
  const auto f = [&](parmap::context& self, int i) {
    runs.add();
    return std::pair(i, self.rng()());
  };
  parmap::options some = stored(here.file());
  std::stop_source stop;
  some.stop = stop.get_token();
  some.reporter = [&stop](const parmap::progress& seen) {
    if (seen.completed >= 3) stop.request_stop();
  };
  some.workers = 1;
  const auto first = parmap::map(TypeParam::engine, f, std::views::iota(0, 2000), some);
  const auto ran = runs.take();
  ASSERT_EQ(first.failures().size() + ran, 2000U);
  const auto whole = parmap::map(TypeParam::engine, f, std::views::iota(0, 2000), stored(here.file()));
  EXPECT_EQ(runs.take(), 2000U - whole.stored());
  EXPECT_LE(whole.stored(), ran);
  EXPECT_GE(whole.stored() + some.workers, ran) << "only a task that the stop may have reached runs again";
  EXPECT_EQ(whole.value(), parmap::map(parmap::serial, f, std::views::iota(0, 2000), {.seed = whole.seed()}).value());
}

TEST(checkpoint_axes, may_grow_be_reordered_and_be_a_part) {
  const folder here;
  const run_count runs(here);
  const auto f = [&](parmap::context& self, double x, const std::string& y) {
    runs.add();
    return std::tuple(x, y, self.rng()());
  };
  const auto sweep = [&](const std::vector<double>& xs, const std::vector<std::string>& ys) {
    return parmap::map(parmap::threads, f, parmap::axis("x", xs), parmap::axis("y", ys), stored(here.file())).value();
  };
  const auto first = sweep({1, 2}, {"a", "b"});
  EXPECT_EQ(runs.take(), 4U);
  const auto grown = sweep({1, 2, 3}, {"z", "a", "b"});
  EXPECT_EQ(runs.take(), 5U);
  EXPECT_EQ(grown[1], first[0]);
  EXPECT_EQ(grown[5], first[3]);
  const auto part = sweep({3, 1}, {"b", "z"});
  EXPECT_EQ(runs.take(), 0U);
  EXPECT_EQ(part, (std::vector{grown[8], grown[6], grown[2], grown[0]}));
  // Equal elements are tasks of their own.
  const auto twice = sweep({1, 1}, {"a"});
  EXPECT_EQ(runs.take(), 1U);
  EXPECT_EQ(twice[0], first[0]);
  EXPECT_NE(std::get<2>(twice[1]), std::get<2>(twice[0]));
}

TEST(checkpoint_axes, that_are_zipped_are_one_axis) {
  const folder here;
  const run_count runs(here);
  const auto f = [&](int a, int b, int c) {
    runs.add();
    return 100 * a + 10 * b + c;
  };
  const auto sweep = [&](const std::vector<int>& as, const std::vector<int>& bs) {
    return parmap::map(parmap::threads, f, parmap::zip(parmap::axis("a", as), bs), std::array{1, 2},
                       stored(here.file()))
        .value();
  };
  EXPECT_EQ(sweep({1, 2}, {3, 4}), (std::vector{131, 132, 241, 242}));
  EXPECT_EQ(runs.take(), 4U);
  EXPECT_EQ(sweep({2, 1}, {4, 4}), (std::vector{241, 242, 141, 142}));
  EXPECT_EQ(runs.take(), 2U);
}

TEST(checkpoint_axes, have_any_name) {
  const folder here;
  const auto f = [](int a, int b, int c) { return a + b + c; };
  const auto sweep = [&] {
    return parmap::map(parmap::threads, f, parmap::zip(parmap::axis("position", {1}), parmap::axis("value", {2})),
                       parmap::axis("a \"quoted\" name; DROP TABLE result_1", {3}), stored(here.file()))
        .value();
  };
  EXPECT_EQ(sweep(), (std::vector{6}));
  EXPECT_EQ(sweep(), (std::vector{6}));
}

TEST(checkpoint_versions, begin_anew_and_keep_the_others) {
  const folder here;
  const auto sweep = [&](int add, const std::string& version) {
    const auto f = [add](int i) { return i + add; };
    return parmap::map(parmap::threads, f, std::array{1, 2}, stored(here.file(), {.name = "f", .version = version}))
        .value();
  };
  EXPECT_EQ(sweep(0, ""), (std::vector{1, 2}));
  EXPECT_EQ(sweep(10, "2"), (std::vector{11, 12}));
  EXPECT_EQ(sweep(99, ""), (std::vector{1, 2}));
  EXPECT_EQ(sweep(99, "2"), (std::vector{11, 12}));
}

struct without_codec {
  explicit without_codec(int x) : at(std::make_shared<int>(x)) {}
  std::shared_ptr<int> at;
};

TEST(checkpoint_refusals, of_values_and_elements_without_a_codec) {
  const folder here;
  EXPECT_THROW(std::ignore = parmap::map(
                   parmap::threads, [](int x) { return without_codec(x); }, std::array{1}, stored(here.file())),
               std::invalid_argument);
  EXPECT_THROW(std::ignore = parmap::map(
                   parmap::threads, [](const without_codec& x) { return *x.at; }, std::vector{without_codec(1)},
                   stored(here.file())),
               std::invalid_argument);
}

TEST(checkpoint_times, name_the_slowest_tasks_of_the_whole) {
  const folder here;
  const auto f = [](int i) { return i; };
  ASSERT_TRUE(parmap::map(parmap::threads, f, std::views::iota(0, 5), stored(here.file())).ok());
  parmap::options measured = stored(here.file());
  measured.times = true;
  const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 6), measured);
  const auto summary = all.summary();
  ASSERT_EQ(summary.slowest.size(), 1U);
  EXPECT_EQ(summary.slowest[0].index, 5U);
  EXPECT_EQ(summary.slowest[0].inputs, "5");
}

double scaled(double x, double by) { return x * by; }

struct named_function {
  double operator()(double x) const { return x; }
};

template <class, int Sign>
struct signed_by {
  double operator()(double x) const { return Sign * x; }
};
struct lambda_cdm {
  double operator()(double x) const { return x; }
};

TEST(checkpoint_refusals, know_a_class_by_its_whole_name) {
  const folder here;
  const auto said_of = [&](auto f) {
    return message_of(
        [&] { std::ignore = parmap::map(parmap::threads, f, std::array{1.0, 2.0}, stored(here.file(), {})); });
  };
  EXPECT_EQ(said_of(signed_by<int[3], 1>()), "nothing was thrown");
  EXPECT_NE(said_of(signed_by<int[3], -1>()).find("the function there is "), std::string::npos);
  std::filesystem::remove(here.file());
  EXPECT_EQ(said_of(lambda_cdm()), "nothing was thrown");
}

TEST(checkpoint_refusals, of_a_trace_in_its_place) {
  const folder here;
  const auto sweep = [&](const std::string& trace) {
    parmap::options all = stored(here.file());
    all.trace = trace;
    return message_of(
        [&] { std::ignore = parmap::map(parmap::threads, [](int i) { return i; }, std::array{1, 2}, all); });
  };
  EXPECT_EQ(sweep(here.file("run.json")), "nothing was thrown");
  EXPECT_EQ(sweep(here.file()), "parmap: options.trace and options.store name the same file, " + here.file());
  EXPECT_EQ(sweep(here.file("run.json")), "nothing was thrown");
}

TEST(checkpoint_refusals, leave_no_file) {
  const folder here;
  const std::vector xs{1.0, 2.0};
  const auto refused = [&](const char* name, parmap::checkpoint_options how) {
    const std::string said = message_of([&] {
      std::ignore = parmap::map(
          parmap::threads, [](double x, double) { return x; }, parmap::axis("x", xs), parmap::axis(name, xs),
          stored(here.file(), std::move(how)));
    });
    return said != "nothing was thrown" && std::filesystem::is_empty(std::filesystem::path(here.file()).parent_path());
  };
  EXPECT_TRUE(refused("x", {.name = "f"}));
  EXPECT_TRUE(refused("y", {}));
  EXPECT_TRUE(refused("y", {.existing = {{"z", 1.0}}, .name = "f"}));
}

TEST(checkpoint_refusals, name_the_field_and_both_values) {
  const folder here;
  const std::vector xs{1.0, 2.0};
  const auto sweep = [&](auto f, parmap::checkpoint_options how, std::optional<std::uint64_t> seed = 7,
                         const char* name = "x") {
    parmap::options all = stored(here.file(), std::move(how));
    all.seed = seed;
    return message_of([&] { std::ignore = parmap::map(parmap::threads, f, parmap::axis(name, xs), all); });
  };
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_EQ(sweep(parmap::fargs(scaled, 2.0), {.name = "scaled"}), "nothing was thrown");
  EXPECT_EQ(sweep(parmap::fargs(scaled, 2.0), {.name = "scaled"}, std::nullopt), "nothing was thrown");
  EXPECT_TRUE(
      has(sweep(parmap::fargs(scaled, 2.0), {.name = "other"}), "the function there is scaled, and here it is other"));
  EXPECT_TRUE(
      has(sweep(parmap::fargs(scaled, 2.5), {.name = "scaled"}), "fixed argument 1 there is 2, and here it is 2.5"));
  EXPECT_TRUE(
      has(sweep([](double x) { return x; }, {.name = "scaled"}), "fixed argument 1 there is 2, and here it is none"));
  EXPECT_TRUE(
      has(sweep(parmap::fargs([](double x, double y, double z) { return x + y + z; }, 2.0, 1.0), {.name = "scaled"}),
          "fixed argument 2 there is none, and here it is 1"));
  EXPECT_TRUE(has(sweep(parmap::fargs([](double x, double) { return int(x); }, 2.0), {.name = "scaled"}),
                  "the type of a value there is real, and here it is integer"));
  EXPECT_TRUE(has(sweep(parmap::fargs(scaled, 2.0), {.name = "scaled"}, 8), "the seed there is 7, and here it is 8"));
  EXPECT_TRUE(
      has(sweep(parmap::fargs(scaled, 2.0), {.name = "scaled"}, 7, "y"), "the axes there is x, and here it is y"));
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore = parmap::map(
                        parmap::threads, [](int a, int b) { return a + b; }, parmap::axis("n", {1}),
                        parmap::axis("n", {1}), stored(here.file("same")));
                  }),
                  "two axes are named n"));
  EXPECT_TRUE(has(sweep([](double x) { return x; }, {}), "needs a name for f"));
  EXPECT_TRUE(has(sweep(named_function(), {}), "named_function"));
}

}  // namespace
