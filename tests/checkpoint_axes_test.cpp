// SPDX-License-Identifier: MIT
// The axes of maps with a checkpoint: they grow, are cut, get company; keys; elements that are nearly equal; long axes.
#include "engines.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/detail/checkpoints/database.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using parmap::detail::database;
using scratch::folder;
using stored_maps::has;
using stored_maps::kept_in;
using stored_maps::message_of;
using stored_maps::run_count;

// What the tasks of a call are: f's arguments and the first random number.
using row = std::tuple<double, int, std::uint64_t>;

TEST(checkpoint_axes, a_new_axis_takes_old_results_along) {
  const folder here;
  const run_count runs(here);
  const auto one = [&](parmap::context& self, double mu) {
    runs.add();
    return row(mu, 1000, self.rng()());
  };
  const auto two = [&](parmap::context& self, double mu, int n) {
    runs.add();
    return row(mu, n, self.rng()());
  };
  const auto first = parmap::map(parmap::threads, one, parmap::axis("mu", {0.1, 0.2}), kept_in(here.file())).value();
  EXPECT_EQ(runs.take(), 2U);
  const auto grown = [&](std::vector<int> ns, parmap::checkpoint_options how) {
    return parmap::map(parmap::threads, two, parmap::axis("mu", {0.1, 0.2}), parmap::axis("n", std::move(ns)),
                       kept_in(here.file(), std::move(how)))
        .value();
  };
  EXPECT_TRUE(has(message_of([&] { grown({10, 1000}, {.name = "f"}); }), "the axis n is new"));
  EXPECT_EQ(runs.take(), 0U);
  const auto all = grown({10, 1000}, {.existing = {{"n", 1000}}, .name = "f"});
  EXPECT_EQ(runs.take(), 2U);
  EXPECT_EQ(all[1], first[0]);
  EXPECT_EQ(all[3], first[1]);
  EXPECT_EQ(std::get<1>(all[2]), 10);
  // Later calls need not say it again; what they say about an axis that is there is of no effect.
  EXPECT_EQ(grown({1000}, {.name = "f"}), first);
  EXPECT_EQ(grown({10}, {.existing = {{"n", 7}}, .name = "f"}), (std::vector{all[0], all[2]}));
  EXPECT_EQ(runs.take(), 0U);
  // Without the axis it is another sweep.
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore = parmap::map(parmap::threads, one, parmap::axis("mu", {0.1}), kept_in(here.file()));
                  }),
                  "the axes there is mu x n, and here it is mu"));
  // The first argument may change its place.
  const auto turned = parmap::map(
      parmap::threads, [&](parmap::context& self, int n, double mu) { return two(self, mu, n); },
      parmap::axis("n", {1000, 10}), parmap::axis("mu", {0.2, 0.1}), kept_in(here.file()));
  EXPECT_EQ(turned.value(), (std::vector{all[3], all[1], all[2], all[0]}));
  EXPECT_EQ(runs.take(), 0U);
  database read(here.file());
  EXPECT_EQ(read.number("SELECT count(*) FROM results WHERE n = 1000"), 2);
  EXPECT_EQ(read.number("SELECT count(*) FROM results WHERE n = 10 AND mu > 0.15"), 1);
}

TEST(checkpoint_axes, existing_is_of_the_type_of_the_axis) {
  const folder here;
  const auto sweep = [&](const auto& further, parmap::checkpoint_options how) {
    const auto f = [](int i, const auto&... x) { return i * static_cast<int>(1 + sizeof...(x)); };
    return message_of([&] {
      std::apply(
          [&](const auto&... each) {
            std::ignore =
                parmap::map(parmap::threads, f, parmap::axis("i", {1}), each..., kept_in(here.file(), std::move(how)));
          },
          further);
    });
  };
  const std::string fine = "nothing was thrown";
  EXPECT_EQ(sweep(std::tuple(), {.existing = {}, .name = "f"}), fine);
  EXPECT_TRUE(has(sweep(std::tuple(parmap::axis("x", {1.0})), {.existing = {{"x", "one"}}, .name = "f"}),
                  "existing has one for x, but the elements of that axis are of another type, such as 1"));
  EXPECT_TRUE(has(sweep(std::tuple(parmap::axis("x", {1.0})), {.existing = {{"x", 1}, {"z", 2}}, .name = "f"}),
                  "existing has a value for z, but the axes are i x x"));
  EXPECT_EQ(sweep(std::tuple(parmap::axis("x", {1.0, 2.0})), {.existing = {{"x", 1}}, .name = "f"}), fine);
  const auto texts = parmap::axis("y", {std::string("a"), std::string("b")});
  EXPECT_EQ(sweep(std::tuple(parmap::axis("x", {1.0}), texts), {.existing = {{"y", "a"}}, .name = "f"}), fine);
  // i = 1, x = 1 and 2, y = "a"; then y = "b" for x = 1 only.
  EXPECT_EQ(database(here.file()).number("SELECT count(*) FROM results"), 3);
  EXPECT_EQ(database(here.file()).number("SELECT x FROM results WHERE y = 'b'"), 1);
}

TEST(checkpoint_axes, nearly_equal_elements_are_told) {
  const folder here;
  const auto told = [&](std::vector<double> xs) {
    ::testing::internal::CaptureStderr();
    parmap::options noisy = kept_in(here.file());
    noisy.reporter = {};
    std::ignore = parmap::map(parmap::threads, [](double x) { return x; }, parmap::axis("x", std::move(xs)), noisy);
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_FALSE(has(told({0.1, 0.3, 1}), "ulp"));
  EXPECT_TRUE(has(told({0.1, 0.1 + 0.2, 1}), "axis x: 0.30000000000000004 is new; the file has 0.3, 1 ulp away"));
  EXPECT_FALSE(has(told({0.1, 0.3, 0.1 + 0.2}), "ulp")) << "both are meant";
  EXPECT_FALSE(has(told({0.1, 0.30001}), "ulp"));
  EXPECT_TRUE(has(told({std::nextafter(0.1, 1), std::nextafter(1.0, 2)}), "and 1 more like that"));
}

struct model {
  explicit model(std::string its_name, int w) : name(std::move(its_name)), weight(std::make_shared<int>(w)) {}
  std::string name;
  std::shared_ptr<int> weight;  // which no codec can send
};

TEST(checkpoint_axes, keys_stand_for_objects) {
  const folder here;
  const run_count runs(here);
  const auto f = [&](const model& m, int x) {
    runs.add();
    if (x == 3) throw std::runtime_error("too large");
    return *m.weight * x;
  };
  const auto sweep = [&](const std::vector<model>& models) {
    return parmap::map(parmap::threads, f, parmap::axis("model", models, &model::name), parmap::axis("x", {1, 2}),
                       kept_in(here.file()))
        .value();
  };
  const std::vector<model> models{model("a", 10), model("b", 20)};
  EXPECT_EQ(sweep(models), (std::vector{10, 20, 20, 40}));
  EXPECT_EQ(runs.take(), 4U);
  EXPECT_EQ(sweep({models[1], model("c", 30), models[0]}), (std::vector{20, 40, 30, 60, 10, 20}));
  EXPECT_EQ(runs.take(), 2U);
  EXPECT_EQ(database(here.file()).number("SELECT value FROM results WHERE model = 'c' AND x = 2"), 60);
  // In a zip, too, and in the text of a failure.
  const auto zipped =
      parmap::map(parmap::threads, f, parmap::zip(parmap::axis("model", models, &model::name), std::vector{1, 3}),
                  kept_in(here.file("zip")));
  ASSERT_EQ(zipped.failures().size(), 1U);
  EXPECT_EQ(zipped.failures()[0].inputs, "model=\"b\", 3");
  EXPECT_TRUE(has(message_of([&] { std::ignore = parmap::axis("model", models, [](const model&) { return 7; }); }),
                  "elements 0 and 1 of model have the same key, 7"));
  EXPECT_TRUE(has(message_of([&] {
                    std::ignore = parmap::map(
                        parmap::threads, [](const model& m) { return *m.weight; }, parmap::axis("model", models),
                        kept_in(here.file("none")));
                  }),
                  "by a key"));
}

TEST(checkpoint_axes, that_are_long_are_compared_in_blocks) {
  const folder here;
  const run_count runs(here);
  constexpr int many = 100'001;
  const auto sweep = [&](std::vector<int> xs, std::vector<int> ys) {
    const auto f = [](parmap::context& self, int x, int y) {
      return 1000.0 * x + y + static_cast<double>(self.rng()() % 7);
    };
    return parmap::map(parmap::threads, f, parmap::axis("x", std::move(xs)), parmap::axis("y", std::move(ys)),
                       kept_in(here.file()));
  };
  std::vector<int> xs(many);
  std::iota(xs.begin(), xs.end(), 5);
  const auto first = sweep(xs, {1}).value();
  database read(here.file());
  EXPECT_EQ(read.number("SELECT hashed FROM axis WHERE number = 1"), 1);
  EXPECT_EQ(read.number("SELECT count(*) FROM axis_1_1"), 25);
  EXPECT_EQ(read.number("SELECT sum(size) FROM axis_1_1"), many);
  EXPECT_EQ(read.number("SELECT x FROM results WHERE _task = 77"), 77) << "its position";
  const auto again = sweep(xs, {1});
  EXPECT_EQ(again.value(), first);
  EXPECT_EQ(again.stored(), std::uint64_t{many});
  // It grows at its end.
  xs.push_back(4);
  const auto grown = sweep(xs, {1}).value();
  EXPECT_EQ(std::vector(grown.begin(), grown.end() - 1), first);
  // It may be cut where a block ends; elsewhere what is left of a block could not be compared.
  const std::vector cut(xs.begin(), xs.begin() + 8192);
  EXPECT_EQ(sweep(cut, {1}).value(), std::vector(first.begin(), first.begin() + 8192));
  EXPECT_TRUE(has(message_of([&] { std::ignore = sweep({xs.begin(), xs.begin() + 5000}, {1}); }),
                  "axis x: its 5000 elements end in the middle of a stored block; let them be 4096 or 8192"));
  xs[6000] = 0;
  EXPECT_TRUE(has(message_of([&] { std::ignore = sweep(xs, {1}); }),
                  "axis x: its elements 4096 to 8191 there are others than here"));
}

}  // namespace
