// SPDX-License-Identifier: MIT
// A store and a trace of a map on ranks that are threads of this process: see cluster_test.cpp.
// More than 400 lines, most of them for what a file that outlives a job may find in the next one.
#include "cluster/ranks_in_threads.hpp"
#include "json_value.hpp"
#include "scratch_folder.hpp"
#include "stored_maps.hpp"

#include <gtest/gtest.h>
#include <parmap/axis.hpp>
#include <parmap/checkpoint.hpp>
#include <parmap/detail/cluster/outcome_courier.hpp>
#include <parmap/engine/serial.hpp>
#include <parmap/map.hpp>
#include <parmap/store.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <ranges>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace {

using cluster::no_errors;
using cluster::on_ranks;
using cluster::the_error;
using parmap::detail::inner_way;
using parmap::detail::value_target;
using stored_maps::has;
using stored_maps::run_count;

constexpr value_target targets[] = {value_target::rank_0, value_target::every_rank, value_target::nowhere_else};

parmap::options stored(const scratch::folder& in, parmap::checkpoint_options how = {.existing = {}, .name = "f"}) {
  parmap::options chosen = stored_maps::kept_in(in.file(), std::move(how));
  chosen.workers = 0;
  return chosen;
}

// What a task draws and computes: of a type that its codec stores, so that each bit counts.
using drawn = std::pair<std::string, std::uint64_t>;
drawn draw(parmap::context& self, double mu, int x) { return {std::to_string(mu * x), self.rng()()}; }

class store_under : public testing::TestWithParam<inner_way> {};
INSTANTIATE_TEST_SUITE_P(cluster, store_under, testing::Values(inner_way::multi, inner_way::threads, inner_way::serial),
                         [](const auto& of) { return to_text(of.param); });

TEST_P(store_under, a_second_map_runs_only_what_is_missing_and_every_gather_has_the_whole) {
  for (const value_target target : targets) {
    const scratch::folder here;
    const run_count runs(here);
    std::vector<double> mus{0.5, 0.1, 0.25};
    const auto xs = std::views::iota(0, 20);
    std::atomic<std::uint64_t> seed{0};
    const auto sweep = [&](std::uint64_t expected_stored, bool all) {
      std::atomic<std::uint64_t> values{0};
      const auto errors = on_ranks(3, [&](cluster::engine who) {
        who.inner = GetParam();
        who.target = target;
        const auto f = [&](parmap::context& self, double mu, int x) {
          runs.add();
          if (!all && x % 2 == 1) throw std::runtime_error("later");
          return draw(self, mu, x);
        };
        const auto made = parmap::map(who, f, parmap::axis("mu", mus), parmap::axis("x", xs), stored(here));
        EXPECT_EQ(made.ok(), all);
        EXPECT_EQ(made.stored(), expected_stored);
        if (seed == 0 && who.link->rank() == 0) seed = made.seed();
        if (!all) {
          EXPECT_EQ(made.failures().size(), 30U);
          return;
        }
        EXPECT_EQ(made.seed(), seed);
        // A task keeps its random numbers where the axes have grown in front.
        const auto first = parmap::map(parmap::serial, draw, std::vector{0.5, 0.1, 0.25}, xs, {.seed = seed}).value();
        const std::uint64_t grown = made.size() - first.size();
        for (const auto& [b, e] : made.here())
          for (std::uint64_t i = b; i < e; ++i, ++values) {
            if (i >= grown) EXPECT_EQ(made[i], first[i - grown]) << i;
            else EXPECT_EQ(made[i].first, std::to_string(mus[0] * static_cast<double>(i))) << i;
          }
        EXPECT_TRUE(target != value_target::rank_0 || who.link->rank() == 0 || made.here().empty());
      });
      EXPECT_EQ(errors, no_errors(3));
      return values.load();
    };
    const std::uint64_t copies = target == value_target::every_rank ? 3 : 1;
    static_cast<void>(sweep(0, false));
    EXPECT_EQ(runs.take(), 60U);
    EXPECT_EQ(sweep(30, true), copies * 60);
    EXPECT_EQ(runs.take(), 30U);
    EXPECT_EQ(sweep(60, true), copies * 60);
    EXPECT_EQ(runs.take(), 0U);
    mus.insert(mus.begin(), 0.75);
    EXPECT_EQ(sweep(60, true), copies * 80);
    EXPECT_EQ(runs.take(), 20U);
  }
}

TEST(cluster_store, functions_that_return_nothing_and_failures_that_stay) {
  const scratch::folder here;
  const run_count runs(here);
  const auto sweep = [&](std::uint64_t stored_before) {
    const auto errors = on_ranks(2, [&](cluster::engine who) {
      const auto f = [&](int x) {
        runs.add();
        if (x % 10 == 3) throw std::runtime_error("bad " + std::to_string(x));
      };
      const auto made =
          parmap::map(who, f, std::views::iota(0, 50),
                      stored(here, {.existing = {}, .name = "f", .rerun = std::vector{parmap::failure::timed_out}}));
      ASSERT_EQ(made.failures().size(), 5U);
      EXPECT_EQ(made.failures()[1].index, 13U);
      EXPECT_EQ(made.failures()[1].message, "std::runtime_error: bad 13");
      EXPECT_EQ(made.stored(), stored_before);
      EXPECT_EQ(made.is_stored(13), stored_before > 0);
    });
    EXPECT_EQ(errors, no_errors(2));
  };
  sweep(0);
  EXPECT_EQ(runs.take(), 50U);
  sweep(50);
  EXPECT_EQ(runs.take(), 0U);
}

TEST(cluster_store, a_map_that_was_stopped_goes_on) {
  const scratch::folder here;
  const run_count runs(here);
  constexpr int tasks = 400;
  std::uintmax_t before = 0;
  for (const bool stops : {true, false}) {
    std::stop_source source;
    const auto errors = on_ranks(3, [&](cluster::engine who) {
      const auto f = [&](int x) {
        runs.add();
        if (stops && x == 100) source.request_stop();
        return x * 0.1;
      };
      parmap::options chosen = stored(here);
      if (who.link->rank() == 1) chosen.stop = source.get_token();
      const auto made = parmap::map(who, f, std::views::iota(0, tasks), chosen);
      EXPECT_EQ(made.stored(), before);
      if (!stops && who.link->rank() == 0) {
        const auto all = made.value();
        for (int x = 0; x < tasks; ++x) EXPECT_EQ(all[static_cast<std::size_t>(x)], x * 0.1);
      }
    });
    EXPECT_EQ(errors, no_errors(3));
    const auto ran = runs.take();
    if (stops) before = ran;
    else EXPECT_EQ(before + ran, static_cast<std::uintmax_t>(tasks));
  }
}

TEST(cluster_store, what_the_file_refuses_is_the_same_error_on_every_rank) {
  const scratch::folder here;
  const auto call = [&](cluster::engine who, const std::string& name, std::vector<int> xs,
                        std::optional<std::uint64_t> seed = {}) {
    parmap::options chosen = stored(here, {.existing = {}, .name = name});
    chosen.seed = seed;
    return parmap::map(who, cluster::same, xs, chosen);
  };
  EXPECT_EQ(on_ranks(3, [&](cluster::engine who) { EXPECT_TRUE(call(who, "f", {1, 2, 3}, 5).ok()); }), no_errors(3));
  EXPECT_TRUE(has(the_error(3, [&](cluster::engine who) { static_cast<void>(call(who, "g", {1, 2, 3})); }),
                  "has the results of another sweep: the function there is f"));
  std::atomic<int> refusals{0};
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    try {
      static_cast<void>(call(who, "f", {1, 2, 3}, 6));
    } catch (const std::invalid_argument& why) {
      if (has(why.what(), "the seed there is 5")) ++refusals;
    }
    EXPECT_TRUE(call(who, "f", {1, 2, 3, 4}).ok());  // the ranks can go on together
  });
  EXPECT_EQ(errors, no_errors(3));
  EXPECT_EQ(refusals.load(), 3);
  // A folder where the file should be; and a store on one rank only.
  std::filesystem::create_directory(here.file("folder"));
  std::atomic<int> failed{0};
  static_cast<void>(on_ranks(2, [&](cluster::engine who) {
    try {
      static_cast<void>(parmap::map(who, cluster::same, std::vector{1}, stored_maps::kept_in(here.file("folder"))));
    } catch (const parmap::store_failed&) {
      ++failed;
    }
  }));
  EXPECT_EQ(failed.load(), 2);
  EXPECT_TRUE(has(the_error(2,
                            [&](cluster::engine who) {
                              parmap::options chosen = stored(here);
                              if (who.link->rank() == 1) chosen.store.reset();
                              static_cast<void>(parmap::map(who, cluster::same, std::vector{1}, chosen));
                            }),
                  "the ranks disagree on options.store: set on rank 0, none on rank 1"));
}

// A store that has nothing, and fails at the n-th outcome.
class failing_store final : public parmap::result_store {
 public:
  explicit failing_store(std::uint64_t good) : good_(good) {}
  [[nodiscard]] std::unique_ptr<parmap::detail::store_run> open(const parmap::detail::sweep&) override {
    return std::make_unique<run>(good_);
  }

 private:
  class run final : public parmap::detail::store_run {
   public:
    explicit run(std::uint64_t good) : good_(good) {}
    [[nodiscard]] std::uint64_t seed() const noexcept override { return 1; }
    [[nodiscard]] std::uint64_t number(std::uint64_t index) const noexcept override { return index; }
    void read(bool, const std::function<void(std::uint64_t, parmap::detail::stored_outcome&&)>&) override {}
    [[nodiscard]] parmap::detail::stored_outcome find(std::uint64_t) override { return {}; }
    [[nodiscard]] const std::vector<std::string>& notes() const noexcept override { return notes_; }
    void put(parmap::detail::stored_outcome&&) noexcept override {
      if (++put_ > good_) give_up("full");
    }
    void give_up(const char*) noexcept override { stop_.request_stop(); }
    [[nodiscard]] std::stop_token stop() const noexcept override { return stop_.get_token(); }
    void finish() override {
      if (stop_.stop_requested()) throw parmap::store_failed("no space left on device");
    }

   private:
    std::uint64_t good_;
    std::uint64_t put_{};
    std::stop_source stop_;
    std::vector<std::string> notes_;
  };
  std::uint64_t good_;
};

TEST(cluster_store, that_fails_in_the_middle_ends_the_map_on_every_rank) {
  std::atomic<int> begun{0};
  std::atomic<int> of_store{0};
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    parmap::options chosen{.reporter = parmap::report::silent, .store = std::make_shared<failing_store>(10)};
    try {
      static_cast<void>(
          parmap::map(who, [&](int x) { return ++begun, x; }, std::views::iota(0, 1'000'000'000), chosen));
    } catch (const parmap::store_failed&) {
      ++of_store;
      EXPECT_EQ(who.link->rank(), 0);
      EXPECT_TRUE(parmap::map(who, cluster::same, std::views::iota(0, 10)).ok());
      throw;
    } catch (const std::runtime_error&) {
      EXPECT_TRUE(parmap::map(who, cluster::same, std::views::iota(0, 10)).ok());
      throw;
    }
  });
  EXPECT_EQ(of_store.load(), 1);
  EXPECT_LT(begun.load(), 1'000'000'000);
  EXPECT_EQ(errors[0], "no space left on device");
  EXPECT_TRUE(has(errors[1], "has ended on all ranks, because of")) << errors[1];
  EXPECT_TRUE(has(errors[1], "no space left on device")) << errors[1];
  EXPECT_EQ(errors[1], errors[2]);
}

// Its encode throws for 7.
struct fragile {
  int x{};
  std::unique_ptr<int> not_trivial{};
};

}  // namespace
template <>
struct parmap::codec<fragile> {
  static void encode(parmap::encoder& out, const fragile& it) {
    if (it.x == 7) throw std::runtime_error("cannot write it");
    out.put(it.x);
  }
  static fragile decode(parmap::decoder& in) { return {.x = in.get<int>()}; }
};
namespace {

TEST(cluster_store, a_value_that_cannot_be_encoded_is_a_failure_wherever_it_was_made) {
  const scratch::folder here;
  for (const std::uint64_t stored_before : {0, 20}) {
    const auto errors = on_ranks(2, [&](cluster::engine who) {
      who.target = value_target::every_rank;
      const auto made = parmap::map(
          who, [](int x) { return fragile{.x = x}; }, std::views::iota(0, 20),
          stored(here, {.existing = {}, .name = "f", .rerun = std::vector<parmap::failure_kind>()}));
      ASSERT_EQ(made.failures().size(), 1U);
      EXPECT_EQ(made.failures()[0].index, 7U);
      EXPECT_EQ(made.failures()[0].kind, parmap::failure::unencodable);
      EXPECT_TRUE(has(made.failures()[0].message, "cannot write it"));
      EXPECT_EQ(made[19].x, 19);
      EXPECT_EQ(made.stored(), stored_before);
    });
    EXPECT_EQ(errors, no_errors(2));
  }
}

// ---- Outcomes on their way.

TEST(outcome_courier, stops_taking_outcomes_when_rank_0_does_not_read_them) {
  cluster::network all(2);
  cluster::thread_link link(all, 1);
  parmap::detail::crew_memory memory;
  parmap::detail::call_mailbox mail(link, memory, 1);
  parmap::detail::outcome_courier courier(mail, link, 1);
  const auto now = std::chrono::steady_clock::now();
  const auto put = [&](std::uint64_t number) {
    parmap::detail::stored_outcome it{.number = number};
    it.value.bytes.assign(300'000, 'x');
    courier.put(std::move(it));
  };
  std::uint64_t taken = 0;
  do put(taken++);
  while (courier.advance(now) && taken < 100);
  EXPECT_EQ(taken, 5U);
  EXPECT_EQ(link.unsent(0), 4U);
  cluster::thread_link reader(all, 0);
  ASSERT_TRUE(reader.receive().has_value());
  EXPECT_TRUE(courier.advance(now));
  // A part of a piece leaves when it is old enough.
  put(taken);
  ASSERT_TRUE(reader.receive().has_value());
  EXPECT_TRUE(courier.advance(now + std::chrono::seconds(1)));
  std::uint64_t number = 2;
  while (auto next = reader.receive()) {
    parmap::detail::message_reader in = parmap::detail::message_reader(next->bytes).body();
    static_cast<void>(in.number());
    const auto it = parmap::detail::get_outcome(in, 0);
    EXPECT_EQ(it.number, number++);
    EXPECT_EQ(it.value.bytes.size(), 300'000U);
    EXPECT_EQ(in.left(), 0U);
  }
  EXPECT_EQ(number, 6U);
}

TEST(outcome_courier, an_outcome_arrives_as_it_was) {
  const auto began = std::chrono::steady_clock::now();
  parmap::detail::stored_outcome good{.number = 5,
                                      .kind = std::nullopt,
                                      .attempts = 2,
                                      .worker = 3,
                                      .began = began,
                                      .took = std::chrono::nanoseconds(77),
                                      .value = parmap::detail::to_stored(-0.0)};
  parmap::detail::stored_outcome bad{
      .number = ~std::uint64_t{0}, .kind = parmap::failure::crashed, .attempts = 1, .message = "it\0died"};
  parmap::detail::message_writer to;
  put_outcome(to, good);
  put_outcome(to, bad);
  const auto bytes = to.take();
  parmap::detail::message_reader from(bytes);
  const auto first = parmap::detail::get_outcome(from, 1000);
  EXPECT_EQ(first.number, 5U);
  EXPECT_FALSE(first.kind.has_value());
  EXPECT_EQ(first.attempts, 2U);
  EXPECT_EQ(first.worker, 3U);
  EXPECT_EQ(first.began, began + std::chrono::nanoseconds(1000));
  EXPECT_EQ(first.took, good.took);
  EXPECT_TRUE(first.value == good.value);
  const auto second = parmap::detail::get_outcome(from, 0);
  EXPECT_EQ(second.number, ~std::uint64_t{0});
  EXPECT_EQ(second.kind, parmap::failure::crashed);
  EXPECT_EQ(second.message, bad.message);
  EXPECT_EQ(from.left(), 0U);
}

// ---- The trace.

json::value parsed(const std::string& path) {
  std::ifstream file(path);
  return json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
}

TEST(cluster_trace, of_rank_0_has_the_tasks_of_all_ranks_each_in_a_row_of_its_worker) {
  const scratch::folder here;
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    const auto f = [](int x) {
      // Long enough for slices of their own.
      const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(300);
      while (std::chrono::steady_clock::now() < end) {
      }
      if (x == 50) throw std::runtime_error("odd");
      return x;
    };
    parmap::options chosen{.label = "ranks", .store = {}, .trace = here.file("run.json")};
    if (who.link->rank() != 0) chosen.trace = here.file("other.json");  // nobody makes it
    const auto made = parmap::map(who, f, parmap::axis("mu", std::views::iota(0, 100)), chosen);
    EXPECT_EQ(made.failures().size(), 1U);
    EXPECT_TRUE(made.summary().busy.has_value());
  });
  EXPECT_EQ(errors, no_errors(3));
  EXPECT_FALSE(std::filesystem::exists(here.file("other.json")));
  std::set<double> tasks;
  std::map<double, std::string> rows;
  std::set<double> used;
  const json::value trace = parsed(here.file("run.json"));
  for (const json::value& each : trace.items()) {
    const std::string& name = each["name"].text();
    if (name == "thread_name") rows[each["tid"].number()] = each["args"]["name"].text();
    EXPECT_TRUE(name != "parmap" || each["args"]["engine"].text() == "mpi");
    if (each["ph"].text() != "X" || !each["args"].has("task")) continue;
    EXPECT_GE(each["ts"].number(), 0);
    EXPECT_TRUE(tasks.insert(each["args"]["task"].number()).second);
    used.insert(each["tid"].number());
    EXPECT_TRUE(each["args"]["task"].number() != 50 || each["args"]["inputs"].text() == "mu=50");
  }
  EXPECT_EQ(tasks.size(), 100U);
  for (const double worker : used) {
    ASSERT_TRUE(rows.contains(worker)) << worker;
    EXPECT_TRUE(has(rows[worker], "rank ")) << rows[worker];
    EXPECT_TRUE(has(rows[worker], ", worker ")) << rows[worker];
  }
  const json::value status = parsed(here.file("run.json.status"));
  EXPECT_EQ(status["how"].text(), "complete");
  EXPECT_EQ(status["completed"].number(), 99);
  EXPECT_EQ(status["failed"].number(), 1);
}

TEST(cluster_trace, that_cannot_be_written_is_an_error_on_every_rank) {
  const scratch::folder here;
  EXPECT_TRUE(has(the_error(2,
                            [&](cluster::engine who) {
                              static_cast<void>(parmap::map(who, cluster::same, std::vector{1},
                                                            {.trace = here.file("no/such/folder.json")}));
                            }),
                  "options.trace: cannot write"));
}

}  // namespace
