// SPDX-License-Identifier: MIT
// options::part: one of several parts of a map's tasks. All parts together are the whole map, bit for bit.
#include "engines.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <parmap/checkpoint.hpp>
#include <parmap/map_into.hpp>
#include <parmap/map_reduce.hpp>
#include <parmap/part.hpp>
#include <parmap/stream.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

using scratch::folder;
using stored_maps::has;
using stored_maps::message_of;
using stored_maps::run_count;

const std::vector<double> mus{0.5, -1.0, 2.0, 7.25, 0.0};
const std::vector<int> sizes{1, 2, 3, 4, 5, 6, 7};  // 35 tasks

// What a task is and draws.
std::string draw(parmap::context& self, double mu, int n) {
  return std::to_string(self.index()) + " " + std::to_string(mu * n) + " " + std::to_string(self.rng()());
}

// The tasks 12 and 17 fail.
std::string simulate(parmap::context& self, double mu, int n) {
  if (self.index() == 12 || self.index() == 17) throw std::runtime_error("no convergence");
  return draw(self, mu, n);
}

parmap::options quiet(parmap::part which = {}) {
  return {.part = which, .reporter = parmap::report::silent, .seed = 5, .workers = 2};
}
parmap::options kept_in(const std::string& path, parmap::part which) {
  parmap::options chosen = quiet(which);
  chosen.store = parmap::checkpoint(path, {.existing = {}, .name = "f"});
  return chosen;
}

template <class Engine>
class part : public ::testing::Test {};
TYPED_TEST_SUITE(part, engines::all, engines::names);

template <class Engine, class F>
auto sweep(const Engine& who, F f, parmap::options chosen) {
  return parmap::map(who, f, parmap::axis("mu", mus), parmap::axis("n", sizes), std::move(chosen));
}

TYPED_TEST(part, all_parts_together_are_the_whole_map) {
  // Under serial the first exception leaves the map.
  const auto f = std::is_same_v<TypeParam, engines::serial> ? draw : simulate;
  const auto whole = sweep(TypeParam::engine, f, quiet());
  for (const std::uint64_t count : {2, 16}) {
    std::map<std::uint64_t, std::string> values;
    std::map<std::uint64_t, std::string> failures;
    for (std::uint64_t k = 0; k < count; ++k) {
      const auto own = sweep(TypeParam::engine, f, quiet({k, count}));
      EXPECT_EQ(own.size(), 35U);
      EXPECT_EQ(own.seed(), 5U);
      EXPECT_EQ(own.part(), parmap::part(k, count));
      for (const auto& [index, outcome] : own.outcomes()) {
        EXPECT_EQ(index % count, k);
        if (outcome) EXPECT_TRUE(values.emplace(index, *outcome).second);
        else EXPECT_EQ(outcome.error().index, index);
      }
      for (const parmap::failure& why : own.failures()) EXPECT_TRUE(failures.emplace(why.index, to_string(why)).second);
      std::uint64_t here = 0;
      for (const auto& [first, last] : own.here())
        for (std::uint64_t i = first; i < last; ++i, ++here) EXPECT_EQ(own[i], values.at(i));
      EXPECT_EQ(here, own.values().size());
      EXPECT_EQ(own.summary().tasks, own.outcomes().size());
      EXPECT_EQ(own.summary().tasks + own.summary().elsewhere, 35U);
    }
    ASSERT_EQ(values.size() + failures.size(), 35U) << "of " << count << " parts";
    for (const auto& [index, value] : values) EXPECT_EQ(value, whole[index]);
    ASSERT_EQ(failures.size(), whole.failures().size());
    for (const parmap::failure& why : whole.failures()) EXPECT_EQ(failures.at(why.index), to_string(why));
  }
}

TYPED_TEST(part, what_is_elsewhere_is_no_value_and_no_failure) {
  const auto own = sweep(TypeParam::engine, draw, quiet({2, 4}));
  EXPECT_TRUE(own.ok());
  EXPECT_TRUE(own.failures().empty());
  EXPECT_EQ(own.get_if(3), nullptr);
  EXPECT_EQ(*own.get_if(6), own[6]);
  EXPECT_THROW(static_cast<void>(own[35]), std::out_of_range);
  EXPECT_EQ(message_of([&] { static_cast<void>(own[3]); }),
            "parmap: task 3 is in another part of the map: these are the results of part 2 of 4");
  for (const std::string& why :
       {message_of([&] { static_cast<void>(own.value()); }), message_of([&] { static_cast<void>(own.data()); }),
        message_of([&] { static_cast<void>(own.value_or("")); })})
    EXPECT_TRUE(has(why, "part 2 of 4, and have no value of the other tasks")) << why;
  EXPECT_TRUE(has(to_string(own.summary()), "9 tasks in ")) << own.summary();
  EXPECT_TRUE(has(to_string(own.summary()), "9 ok; 26 tasks are in other parts")) << own.summary();
  std::ostringstream table;
  own.write_csv(table);
  EXPECT_TRUE(table.str().starts_with("mu,n,value,_kind,_message,_attempts\n0.5,3,2 ")) << table.str();
  EXPECT_EQ(std::ranges::count(table.str(), '\n'), 10);
  EXPECT_EQ(sweep(TypeParam::engine, draw, quiet()).part(), parmap::part());
}

TYPED_TEST(part, a_part_may_be_empty) {
  const auto own = parmap::map(TypeParam::engine, [](int x) { return x; }, std::vector{1, 2}, quiet({3, 4}));
  EXPECT_TRUE(own.ok());
  EXPECT_EQ(own.size(), 2U);
  EXPECT_TRUE(own.values().empty());
  EXPECT_TRUE(own.here().empty());
}

TYPED_TEST(part, its_seed_is_zero_unless_it_is_chosen) {
  parmap::options chosen = quiet({0, 3});
  chosen.seed.reset();
  const auto number = [](parmap::context& self, int) { return self.rng()(); };
  const auto own = parmap::map(TypeParam::engine, number, std::vector{1, 2, 3, 4}, chosen);
  EXPECT_EQ(own.seed(), 0U);
  parmap::options zero = quiet();
  zero.seed = 0;
  EXPECT_EQ(own[3], parmap::map(TypeParam::engine, number, std::vector{1, 2, 3, 4}, zero)[3]);
}

TYPED_TEST(part, retry_if_and_slowest_know_the_indices_of_the_map) {
  if constexpr (std::is_same_v<TypeParam, engines::serial>) return;  // the first exception leaves the map
  parmap::options chosen = quiet({2, 5});
  chosen.retries = 1;
  chosen.times = true;
  std::vector<std::uint64_t> asked;
  chosen.retry_if = [&asked](const parmap::failure& why) {
    asked.push_back(why.index);
    return false;
  };
  const auto own = sweep(TypeParam::engine, simulate, chosen);
  ASSERT_EQ(own.failures().size(), 2U);
  EXPECT_EQ(own.failures().front().index, 12U);
  EXPECT_EQ(own.failures().back().index, 17U);
  EXPECT_TRUE(has(own.failures().back().inputs, "mu=2, n=4")) << own.failures().back().inputs;
  std::ranges::sort(asked);
  EXPECT_EQ(asked, (std::vector<std::uint64_t>{12, 17}));
  ASSERT_FALSE(own.summary().slowest.empty());
  for (const parmap::task_time& each : own.summary().slowest) EXPECT_EQ(each.index % 5, 2U);
}

TYPED_TEST(part, a_file_for_each_part_goes_on) {
  const folder here;
  const run_count runs(here);
  const auto f = [&runs](parmap::context& self, double mu, int n) {
    runs.add();
    return std::pair(mu * n, self.rng()());
  };
  const auto whole = sweep(TypeParam::engine, f, quiet()).value();
  static_cast<void>(runs.take());
  for (const std::uint64_t k : {0, 3, 15}) {
    const auto first = sweep(TypeParam::engine, f, kept_in(here.file(), {k, 16}));
    EXPECT_EQ(runs.take(), k < 3 ? 3U : 2U);
    EXPECT_EQ(first.stored(), 0U);
    const std::string number = (k < 10 ? "0" : "") + std::to_string(k);
    EXPECT_TRUE(std::filesystem::exists(here.file("sweep.part" + number + ".db")));
    const auto again = sweep(TypeParam::engine, f, kept_in(here.file(), {k, 16}));
    EXPECT_EQ(runs.take(), 0U);
    EXPECT_TRUE(again.ok());
    EXPECT_EQ(again.stored(), k < 3 ? 3U : 2U);
    EXPECT_TRUE(again.is_stored(k));
    EXPECT_FALSE(again.is_stored(k + 1));
    for (const auto& [first_here, last] : again.here())
      for (std::uint64_t i = first_here; i < last; ++i) EXPECT_EQ(again[i], whole[i]);
  }
  EXPECT_FALSE(std::filesystem::exists(here.file()));
}

TYPED_TEST(part, a_failed_task_of_a_part_runs_again) {
  const folder here;
  const run_count runs(here);
  const std::string good = here.file("good");
  const auto f = [&](double mu, int n) {
    runs.add();
    if (n == 4 && !std::filesystem::exists(good)) throw std::runtime_error("not yet");
    return mu * n;
  };
  if constexpr (std::is_same_v<TypeParam, engines::serial>) {
    EXPECT_THROW(static_cast<void>(sweep(TypeParam::engine, f, kept_in(here.file(), {3, 7}))), std::runtime_error);
    EXPECT_EQ(runs.take(), 1U);
    return;
  }
  const auto first = sweep(TypeParam::engine, f, kept_in(here.file(), {3, 7}));  // all of its tasks have n == 4
  EXPECT_EQ(runs.take(), 5U);
  EXPECT_EQ(first.failures().size(), 5U);
  EXPECT_EQ(first.failures()[1].index, 10U);
  static_cast<void>(std::ofstream(good));
  const auto second = sweep(TypeParam::engine, f, kept_in(here.file(), {3, 7}));
  EXPECT_EQ(runs.take(), 5U);
  EXPECT_EQ(second[10], -4.0);
}

// ---- What does not depend on the engine

TEST(part, another_part_of_a_file_is_refused_with_both_values) {
  const folder here;
  const auto f = [](double mu, int n) { return mu * n; };
  static_cast<void>(sweep(parmap::serial, f, kept_in(here.file(), {3, 16})));
  EXPECT_TRUE(has(message_of([&] { static_cast<void>(sweep(parmap::serial, f, kept_in(here.file(), {3, 17}))); }),
                  "the part there is 3 of 16, and here it is 3 of 17"));
  const std::string file = here.file("sweep.part03.db");
  EXPECT_TRUE(has(message_of([&] { static_cast<void>(sweep(parmap::serial, f, kept_in(file, {}))); }),
                  "the part there is 3 of 16, and here it is none"));
  EXPECT_EQ(sweep(parmap::serial, f, kept_in(file, {3, 16})).stored(), 2U) << "a name that has the part already";
  static_cast<void>(sweep(parmap::serial, f, kept_in(here.file(), {})));
  std::filesystem::copy(here.file(), here.file("sweep.part0.db"));
  EXPECT_TRUE(has(message_of([&] { static_cast<void>(sweep(parmap::serial, f, kept_in(here.file(), {0, 2}))); }),
                  "the part there is none, and here it is 0 of 2"));
}

TEST(part, a_task_stays_in_its_part_while_the_axes_grow) {
  const folder here;
  const run_count runs(here);
  const auto f = [&runs](parmap::context& self, int x, int y) {
    runs.add();
    return std::tuple(x, y, self.rng()());
  };
  std::map<std::pair<int, int>, std::uint64_t> drawn;
  const auto grow = [&](const std::vector<int>& xs, const std::vector<int>& ys, std::size_t expected) {
    std::size_t values = 0;
    for (std::uint64_t k = 0; k < 4; ++k) {
      const auto own =
          parmap::map(parmap::multi, f, parmap::axis("x", xs), parmap::axis("y", ys), kept_in(here.file(), {k, 4}));
      EXPECT_TRUE(own.ok());
      for (const auto& [index, outcome] : own.outcomes()) {
        const auto& [x, y, number] = *outcome;
        EXPECT_EQ(x, xs[index / ys.size()]);
        EXPECT_EQ(y, ys[index % ys.size()]);
        EXPECT_EQ(drawn.emplace(std::pair(x, y), number).first->second, number);
        EXPECT_EQ(own[index], *outcome);
        ++values;
      }
    }
    EXPECT_EQ(values, xs.size() * ys.size());
    EXPECT_EQ(runs.take(), expected);
  };
  grow({1, 2, 3}, {1, 2, 3}, 9);
  grow({1, 2, 3, 4}, {0, 1, 2, 3, 5}, 11);
  grow({4, 2}, {5, 3, 1}, 0);
}

template <class Engine>
class part_of_stream : public ::testing::Test {};
using streaming = ::testing::Types<engines::serial, engines::threads, engines::multi>;
TYPED_TEST_SUITE(part_of_stream, streaming, engines::names);

TYPED_TEST(part_of_stream, gives_its_outcomes_with_the_indices_of_the_map) {
  const auto f = [](parmap::context& self, double mu, int n) { return std::tuple(mu * n, self.index(), self.rng()()); };
  const auto whole = sweep(TypeParam::engine, f, quiet()).value();
  const folder here;
  for (const bool stored : {false, true})
    for (const bool ordered : {true, false}) {
      parmap::options chosen = stored ? kept_in(here.file(), {2, 3}) : quiet({2, 3});
      chosen.ordered = ordered;
      chosen.window = 3;
      std::vector<std::uint64_t> seen;
      for (auto&& [index, outcome] :
           parmap::stream(TypeParam::engine, f, parmap::axis("mu", mus), parmap::axis("n", sizes), chosen)) {
        seen.push_back(index);
        EXPECT_EQ(*outcome, whole[index]);
      }
      if (!ordered) std::ranges::sort(seen);
      std::vector<std::uint64_t> expected;
      for (std::uint64_t i = 2; i < 35; i += 3) expected.push_back(i);
      EXPECT_EQ(seen, expected);
    }
}

TYPED_TEST(part_of_stream, failures_have_the_indices_and_inputs_of_the_map) {
  if constexpr (std::is_same_v<TypeParam, engines::serial>) return;
  std::vector<std::string> failed;
  for (auto&& [index, outcome] :
       parmap::stream(TypeParam::engine, simulate, parmap::axis("mu", mus), parmap::axis("n", sizes), quiet({2, 5})))
    if (!outcome) failed.push_back(std::to_string(index) + ": " + to_string(outcome.error()));
  std::ranges::sort(failed);
  ASSERT_EQ(failed.size(), 2U);
  EXPECT_TRUE(has(failed[1], "17: task 17 (mu=2, n=4) threw")) << failed[1];
}

TEST(part, is_one_of_a_pool) {
  parmap::pool workers({.workers = 2});
  const auto whole = sweep(parmap::serial, draw, quiet()).value();
  const auto own = sweep(workers, draw, quiet({1, 3}));
  EXPECT_TRUE(own.ok());
  for (std::uint64_t i = 1; i < 35; i += 3) EXPECT_EQ(own[i], whole[i]);
  std::uint64_t seen = 0;
  for (auto&& [index, outcome] :
       parmap::stream(workers, draw, parmap::axis("mu", mus), parmap::axis("n", sizes), quiet({1, 3}))) {
    EXPECT_EQ(*outcome, whole[index]);
    ++seen;
  }
  EXPECT_EQ(seen, 12U);
}

TEST(part, what_has_none_refuses_it) {
  const std::vector xs{1, 2, 3};
  const auto f = [](int x) { return x; };
  std::vector<int> out(3);
  EXPECT_TRUE(has(message_of([&] { static_cast<void>(parmap::map_into(parmap::serial, out, f, xs, quiet({0, 2}))); }),
                  "this function has no options.part"));
  EXPECT_TRUE(has(
      message_of([&] { static_cast<void>(parmap::map_reduce(parmap::serial, f, std::plus{}, 0, xs, quiet({0, 2}))); }),
      "has no options.part"));
  EXPECT_TRUE(
      has(message_of([&] { static_cast<void>(parmap::stream(parmap::serial, f, std::views::iota(0), quiet({0, 2}))); }),
          "endless or can be read only once has no options.part"));
}

TEST(part, what_is_no_part_is_refused) {
  const auto why = [](parmap::part which) {
    return message_of(
        [&] { static_cast<void>(parmap::map(parmap::serial, [](int x) { return x; }, std::vector{1}, quiet(which))); });
  };
  EXPECT_EQ(why({16, 16}), "parmap: options.part is part 16 of 16, but parts are numbered from 0 to 15");
  EXPECT_EQ(why({-1, 16}), "parmap: options.part is part -1 of 16, but parts are numbered from 0 to 15");
  EXPECT_EQ(why({0, 0}), "parmap: options.part has 0 parts; there must be at least 1, such as {3, 16}");
  EXPECT_EQ(why({0, -2}), "parmap: options.part has -2 parts; there must be at least 1, such as {3, 16}");
  EXPECT_EQ(why({0, 1}), "nothing was thrown");
}

// Sets the variables of a job array while it lives.
class array_of_jobs {
 public:
  explicit array_of_jobs(std::map<std::string, std::string> variables) : variables_(std::move(variables)) {
    for (const char* each : {"ID", "MIN", "MAX", "COUNT", "STEP"}) ::unsetenv(name(each).c_str());
    for (const auto& [each, value] : variables_) ::setenv(name(each).c_str(), value.c_str(), 1);
  }
  array_of_jobs(const array_of_jobs&) = delete;
  array_of_jobs& operator=(const array_of_jobs&) = delete;
  ~array_of_jobs() {
    for (const auto& [each, value] : variables_) ::unsetenv(name(each).c_str());
  }

 private:
  static std::string name(const std::string& each) { return "SLURM_ARRAY_TASK_" + each; }
  std::map<std::string, std::string> variables_;
};

TEST(part, is_that_of_the_job_of_a_slurm_array) {
  const auto found = [](std::map<std::string, std::string> variables) {
    const array_of_jobs here(std::move(variables));
    std::string text;
    const std::string why = message_of([&] { text = to_string(parmap::slurm_array_part()); });
    return text.empty() ? why : text;
  };
  EXPECT_EQ(found({{"ID", "3"}, {"MIN", "0"}, {"MAX", "15"}, {"COUNT", "16"}, {"STEP", "1"}}), "part 3 of 16");
  EXPECT_EQ(found({{"ID", "3"}, {"COUNT", "16"}}), "part 3 of 16");
  EXPECT_EQ(found({{"ID", "3"}, {"MIN", "1"}, {"MAX", "16"}, {"COUNT", "16"}, {"STEP", "1"}}), "part 2 of 16");
  EXPECT_EQ(found({{"ID", "8"}, {"MIN", "4"}, {"MAX", "12"}, {"COUNT", "5"}, {"STEP", "2"}}), "part 2 of 5");
  EXPECT_EQ(found({{"ID", "0"}, {"MIN", "0"}, {"MAX", "0"}, {"COUNT", "1"}}), "part 0 of 1");
  EXPECT_TRUE(has(found({}), "SLURM_ARRAY_TASK_ID is not set; start it by sbatch --array=0-15 job.sh"));
  EXPECT_TRUE(has(found({{"ID", "3"}}), "SLURM_ARRAY_TASK_COUNT is not set"));
  EXPECT_TRUE(has(found({{"ID", "x"}, {"COUNT", "2"}}), "SLURM_ARRAY_TASK_ID is not a number, but \"x\""));
  for (const auto& gaps : {std::map<std::string, std::string>{{"ID", "3"}, {"MIN", "3"}, {"MAX", "3"}, {"COUNT", "1"}},
                           {{"ID", "3"}, {"MIN", "3"}, {"MAX", "8"}, {"COUNT", "3"}, {"STEP", "1"}},
                           {{"ID", "3"}, {"MIN", "0"}, {"MAX", "8"}, {"COUNT", "5"}, {"STEP", "2"}},
                           {{"ID", "30"}, {"MIN", "0"}, {"MAX", "15"}, {"COUNT", "16"}},
                           {{"ID", "0"}, {"COUNT", "0"}}})
    EXPECT_TRUE(has(found(gaps), "does not tell how many parts there are; start all of them")) << found(gaps);
}

}  // namespace
