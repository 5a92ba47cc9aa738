// SPDX-License-Identifier: MIT
// The options of a map on ranks that are threads of this process: see cluster_test.cpp.
#include "cluster/ranks_in_threads.hpp"

#include <gtest/gtest.h>
#include <parmap/map.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

namespace {

using cluster::no_errors;
using cluster::on_ranks;
using cluster::same;
using cluster::the_error;
using parmap::detail::inner_way;

class options_under : public testing::TestWithParam<inner_way> {};
INSTANTIATE_TEST_SUITE_P(cluster, options_under,
                         testing::Values(inner_way::multi, inner_way::threads, inner_way::serial),
                         [](const auto& of) { return to_text(of.param); });

TEST_P(options_under, retries_and_what_may_be_retried) {
  const auto errors = on_ranks(2, [&](cluster::engine who) {
    who.inner = GetParam();
    // retry_if sees the index in the map.
    const auto made =
        parmap::map(who,
                    [](parmap::context& self, int x) {
                      if (self.attempt() < 2 || x == 31) throw std::runtime_error("again");
                      return x;
                    },
                    std::views::iota(0, 60),
                    {.retries = 2, .retry_if = [](const parmap::failure& why) { return why.index != 17; }});
    ASSERT_EQ(made.failures().size(), 2U);
    EXPECT_EQ(made.failures()[0].index, 17U);
    EXPECT_EQ(made.failures()[0].attempts, 1U);
    EXPECT_EQ(made.failures()[1].index, 31U);
    EXPECT_EQ(made.failures()[1].attempts, 3U);
  });
  EXPECT_EQ(errors, no_errors(2));
}

TEST_P(options_under, the_map_stops_after_so_many_failures) {
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    who.inner = GetParam();
    const auto made =
        parmap::map(who, [](int x) -> int { throw x; }, std::views::iota(0, 1'000'000'000), {.max_failures = 5});
    EXPECT_EQ(made.failures().size(), 1'000'000'000U);
    std::uint64_t threw = 0;
    for (const auto& each : made.summary().causes)
      if (each.first.kind == parmap::failure::threw) threw += each.count;
      else EXPECT_EQ(each.first.message, "options.max_failures was reached; the other failures say why");
    EXPECT_GE(threw, 5U);
  });
  EXPECT_EQ(errors, no_errors(3));
}

TEST_P(options_under, a_stop_on_one_rank_stops_all) {
  std::stop_source source;
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    who.inner = GetParam();
    // Only the last rank's token hears of it.
    parmap::options chosen;
    if (who.link->rank() == 2) {
      source.request_stop();
      chosen.stop = source.get_token();
    }
    const auto made = parmap::map(who, same, std::views::iota(0, 1'000'000'000), chosen);
    EXPECT_FALSE(made.ok());
    EXPECT_EQ(made.failures().back().kind, parmap::failure::stopped);
    EXPECT_EQ(made.failures().back().message, "a stop was requested");
    EXPECT_EQ(made.summary().completed + made.failures().size(), 1'000'000'000U);
  });
  EXPECT_EQ(errors, no_errors(3));
}

TEST_P(options_under, the_deadline_ends_the_map) {
  const auto errors = on_ranks(2, [&](cluster::engine who) {
    who.inner = GetParam();
    const auto made =
        parmap::map(who, same, std::views::iota(0, 1'000'000'000), {.deadline = std::chrono::milliseconds(100)});
    EXPECT_FALSE(made.ok());
    EXPECT_EQ(made.failures().back().message, "options.deadline was reached");
    EXPECT_EQ(made.summary().completed + made.failures().size(), 1'000'000'000U);
  });
  EXPECT_EQ(errors, no_errors(2));
}

TEST_P(options_under, times_of_all_ranks_are_added) {
  const auto errors = on_ranks(2, [&](cluster::engine who) {
    who.inner = GetParam();
    const auto made = parmap::map(who, same, std::views::iota(0, 100), {.times = true});
    const auto all = made.summary();
    ASSERT_TRUE(all.busy.has_value());
    ASSERT_EQ(all.slowest.size(), 5U);
    for (const auto& each : all.slowest) EXPECT_EQ(each.inputs, std::to_string(each.index));
  });
  EXPECT_EQ(errors, no_errors(2));
}

TEST(cluster_options, the_reporter_of_rank_0_sees_all_tasks_and_what_it_throws_ends_the_map_everywhere) {
  std::atomic<std::uint64_t> last{0};
  std::atomic<int> wrong_rank{0};
  auto errors = on_ranks(3, [&](cluster::engine who) {
    const int rank = who.link->rank();
    static_cast<void>(
        parmap::map(who, same, std::views::iota(0, 1000), {.reporter = [&, rank](const parmap::progress& p) {
                      if (rank != 0) ++wrong_rank;
                      if (p.finished) last = p.completed;
                    }}));
  });
  EXPECT_EQ(errors, no_errors(3));
  EXPECT_EQ(last.load(), 1000U);
  EXPECT_EQ(wrong_rank.load(), 0);
  errors = on_ranks(3, [&](cluster::engine who) {
    const auto complain = [](const parmap::progress&) { throw std::runtime_error("enough"); };
    try {
      static_cast<void>(parmap::map(who, same, std::views::iota(0, 1000), {.reporter = complain}));
    } catch (...) {
      EXPECT_TRUE(parmap::map(who, same, std::views::iota(0, 10)).ok());  // the ranks can go on together
      throw;
    }
  });
  EXPECT_EQ(errors[0], "enough");
  EXPECT_NE(errors[1].find("has ended on all ranks, because of"), std::string::npos) << errors[1];
  EXPECT_NE(errors[1].find("enough"), std::string::npos);
  EXPECT_EQ(errors[1], errors[2]);
}

TEST(cluster_options, options_that_the_inner_engine_lacks_are_refused_on_every_rank) {
  EXPECT_NE(the_error(2,
                      [](cluster::engine who) {
                        static_cast<void>(
                            parmap::map(who, same, std::vector<int>(3), {.timeout = std::chrono::seconds(1)}));
                      })
                .find("has no options.timeout"),
            std::string::npos);
  EXPECT_NE(the_error(2,
                      [](cluster::engine who) {
                        static_cast<void>(parmap::map(who, same, std::vector<int>(3), {.memory_limit = 1000}));
                      })
                .find("has no options.memory_limit"),
            std::string::npos);
}

TEST(cluster_options, a_task_cannot_call_a_map_of_all_ranks) {
  const auto errors = on_ranks(1, [](cluster::engine who) {
    const auto made =
        parmap::map(who, [&](int) { return parmap::map(who, same, std::vector<int>(3)).size(); }, std::vector<int>(2));
    ASSERT_EQ(made.failures().size(), 2U);
    EXPECT_NE(made.failures()[0].message.find("a task cannot call a map on parmap::mpi"), std::string::npos);
  });
  EXPECT_EQ(errors, no_errors(1));
}

}  // namespace
