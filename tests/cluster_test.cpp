// SPDX-License-Identifier: MIT
// The protocol between the ranks of a cluster, with ranks that are threads of this process.
#include "cluster/ranks_in_threads.hpp"

#include <gtest/gtest.h>
#include <parmap/detail/cluster/agent_pace.hpp>
#include <parmap/detail/cluster/node_plan.hpp>
#include <parmap/axis.hpp>
#include <parmap/map.hpp>
#include <parmap/product.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using cluster::on_ranks;
using parmap::detail::inner_way;
using parmap::detail::value_target;

constexpr int some_ranks[] = {1, 2, 3, 5};
const std::vector<std::string> no_errors(int ranks) { return std::vector<std::string>(static_cast<std::size_t>(ranks)); }

std::string word(parmap::context& self, int x) {
  return std::to_string(x) + ':' + std::to_string(self.rng()()) + ':' + std::to_string(self.index());
}

class ways : public testing::TestWithParam<inner_way> {};
INSTANTIATE_TEST_SUITE_P(cluster, ways, testing::Values(inner_way::multi, inner_way::threads, inner_way::serial),
                         [](const auto& of) { return to_text(of.param); });

TEST_P(ways, values_and_random_numbers_are_those_of_one_machine) {
  const auto xs = std::views::iota(0, 1000);
  const auto expected = parmap::map(parmap::threads, word, xs, {.seed = 5}).value();
  for (const int ranks : some_ranks)
    for (const auto target : {value_target::rank_0, value_target::every_rank}) {
      const auto errors = on_ranks(ranks, [&](cluster::engine who) {
        who.inner = GetParam();
        who.target = target;
        const auto made = parmap::map(who, word, xs, {.seed = 5});
        EXPECT_TRUE(made.ok());
        EXPECT_EQ(made.size(), 1000U);
        EXPECT_EQ(made.seed(), 5U);
        if (target == value_target::every_rank || who.link->rank() == 0) {
          EXPECT_EQ(made.value(), expected);
        } else {
          EXPECT_THROW(static_cast<void>(made.value()), std::logic_error);
          EXPECT_THROW(static_cast<void>(made.value_or("")), std::logic_error);
          EXPECT_THROW(static_cast<void>(made.values()), std::logic_error);
          EXPECT_THROW(static_cast<void>(made.outcomes()), std::logic_error);
          EXPECT_THROW(static_cast<void>(made[3]), std::logic_error);
          EXPECT_EQ(made.get_if(3), nullptr);
          EXPECT_TRUE(made.here().empty());
        }
      });
      EXPECT_EQ(errors, no_errors(ranks));
    }
}

TEST_P(ways, failures_are_the_same_on_every_rank) {
  const auto f = [](int x) {
    if (x % 7 == 3) throw std::runtime_error("odd " + std::to_string(x));
    return 0.5 * x;
  };
  const auto xs = std::views::iota(0, 500);
  for (const int ranks : some_ranks) {
    const auto errors = on_ranks(ranks, [&](cluster::engine who) {
      who.inner = GetParam();
      const auto made = parmap::map(who, f, xs);
      EXPECT_FALSE(made.ok());
      ASSERT_EQ(made.failures().size(), 71U);
      std::uint64_t next = 3;
      for (const parmap::failure& why : made.failures()) {
        EXPECT_EQ(why.index, next);
        EXPECT_EQ(why.kind, parmap::failure::threw);
        EXPECT_EQ(why.message, "std::runtime_error: odd " + std::to_string(next));
        EXPECT_EQ(why.inputs, std::to_string(next));
        EXPECT_EQ(why.place.empty(), ranks == 1);
        next += 7;
      }
      EXPECT_THROW(static_cast<void>(made.value()), parmap::map_failed);
      if (who.link->rank() == 0) {
        const auto all = made.value_or(-1);
        for (int x : xs) ASSERT_EQ(all[static_cast<std::size_t>(x)], x % 7 == 3 ? -1 : 0.5 * x);
      }
      EXPECT_EQ(made.summary().completed, 429U);
    });
    EXPECT_EQ(errors, no_errors(ranks));
  }
}

TEST_P(ways, values_may_stay_where_they_were_made) {
  const auto xs = std::views::iota(0, 300);
  for (const int ranks : some_ranks) {
    std::mutex mutex;
    std::vector<int> seen(300);
    const auto errors = on_ranks(ranks, [&](cluster::engine who) {
      who.inner = GetParam();
      who.target = value_target::nowhere_else;
      const auto made = parmap::map(
          who,
          [](int x) {
            if (x == 100) throw 1;
            return std::string(static_cast<std::size_t>(x), 'x');
          },
          xs);
      EXPECT_EQ(made.failures().size(), 1U);
      const std::lock_guard lock(mutex);
      for (const auto& [b, e] : made.here())
        for (std::uint64_t i = b; i < e; ++i) {
          EXPECT_EQ(made[i].size(), i);
          ++seen[i];
        }
      EXPECT_THROW(static_cast<void>(made[100]), parmap::task_failed);
    });
    EXPECT_EQ(errors, no_errors(ranks));
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i == 100 ? 0 : 1) << i;
  }
}

TEST(cluster, no_task_runs_twice_and_none_is_left_out) {
  std::vector<std::atomic<int>> ran(20'000);
  const auto errors = on_ranks(4, [&](cluster::engine who) {
    const auto made = parmap::map(who, [&](int x) { return ++ran[static_cast<std::size_t>(x)]; }, std::views::iota(0, 20'000));
    EXPECT_TRUE(made.ok());
  });
  EXPECT_EQ(errors, no_errors(4));
  for (const auto& each : ran) ASSERT_EQ(each.load(), 1);
}

TEST(cluster, a_map_has_few_tasks_or_none_and_many_follow_each_other) {
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    for (int n = 0; n < 40; ++n) {
      who.target = n % 2 == 0 ? value_target::rank_0 : value_target::every_rank;
      const auto made = parmap::map(who, [n](int x) { return x + n; }, std::views::iota(0, n % 5));
      EXPECT_EQ(made.size(), static_cast<std::uint64_t>(n % 5));
      if (n % 2 == 1 || who.link->rank() == 0) {
        const auto all = made.value();
        for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], static_cast<int>(i) + n);
      }
    }
  });
  EXPECT_EQ(errors, no_errors(3));
}

TEST(cluster, a_fresh_seed_is_the_same_everywhere) {
  std::mutex mutex;
  std::vector<std::uint64_t> seeds;
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    const auto made = parmap::map(who, word, std::views::iota(0, 10));
    const std::lock_guard lock(mutex);
    seeds.push_back(made.seed());
  });
  EXPECT_EQ(errors, no_errors(3));
  EXPECT_EQ(seeds, std::vector<std::uint64_t>(3, seeds[0]));
}

TEST(cluster, functions_that_return_nothing) {
  std::atomic<int> sum{0};
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    const auto made = parmap::map(who, [&](int x) { sum += x; }, std::views::iota(0, 100));
    made.value();
    EXPECT_EQ(made.size(), 100U);
  });
  EXPECT_EQ(errors, no_errors(3));
  EXPECT_EQ(sum.load(), 4950);
}

TEST(cluster, a_crash_and_a_task_without_end_cost_themselves) {
  const auto f = [](int x) {
    if (x == 5) std::abort();
    if (x == 9) std::_Exit(3);
    volatile bool for_ever = x == 14;
    while (for_ever) {
    }
    return x;
  };
  const auto errors = on_ranks(2, [&](cluster::engine who) {
    who.inner = inner_way::multi;
    const auto made = parmap::map(who, f, std::views::iota(0, 40), {.timeout = std::chrono::milliseconds(300)});
    ASSERT_EQ(made.failures().size(), 3U);
    EXPECT_EQ(made.failures()[0].index, 5U);
    EXPECT_EQ(made.failures()[0].kind, parmap::failure::crashed);
    EXPECT_EQ(made.failures()[1].index, 9U);
    EXPECT_EQ(made.failures()[1].kind, parmap::failure::exited);
    EXPECT_EQ(made.failures()[1].status, 3);
    EXPECT_EQ(made.failures()[2].index, 14U);
    EXPECT_EQ(made.failures()[2].kind, parmap::failure::timed_out);
  });
  EXPECT_EQ(errors, no_errors(2));
}

// ---- Ranks that disagree.

template <class Body>
std::string the_error(int ranks, const Body& body) {
  const auto errors = on_ranks(ranks, body);
  for (const auto& each : errors) EXPECT_EQ(each, errors[0]);
  return errors[0];
}
const auto same = [](auto x) { return x; };

TEST(cluster_disagreement, on_the_size_of_an_axis) {
  const std::string error = the_error(3, [](cluster::engine who) {
    const std::vector<int> a(3);
    const std::vector<int> b(who.link->rank() == 2 ? 5 : 4);
    static_cast<void>(parmap::map(who, [](int x, int y) { return x + y; }, a, b));
  });
  EXPECT_NE(error.find("the size of axis 2: 4 on rank 0, 5 on rank 2"), error.npos) << error;
}

TEST(cluster_disagreement, on_elements_in_the_middle_of_an_axis) {
  const auto differ = [](const auto& make) {
    return the_error(2, [&](cluster::engine who) {
      static_cast<void>(parmap::map(who, [](const auto&) { return 1; }, make(who.link->rank())));
    });
  };
  const std::string expected = "parmap: the ranks disagree on the elements of axis 1";
  EXPECT_TRUE(differ([](int rank) { return std::vector<double>{1, 2.0 + rank, 3}; }).starts_with(expected));
  EXPECT_TRUE(differ([](int rank) { return std::vector<std::string>{"a", std::to_string(rank)}; }).starts_with(expected));
  EXPECT_TRUE(differ([](int rank) {
                return std::vector<std::vector<int>>{{1}, {rank, 3}};
              }).starts_with(expected));
  EXPECT_TRUE(differ([](int rank) { return std::views::iota(rank, rank + 9); }).starts_with(expected));
  EXPECT_TRUE(differ([](int rank) { return parmap::axis("mu", {1.5, 0.5 * rank}); }).starts_with(expected));
  EXPECT_TRUE(differ([](int rank) { return parmap::axis(rank == 0 ? "mu" : "nu", {1.5}); }).starts_with(expected));
  struct point {
    double x;
    char name;
  };
  EXPECT_TRUE(differ([](int rank) { return std::vector<point>{{1, 'a'}, {2, rank == 0 ? 'b' : 'c'}}; }).starts_with(expected));
}

TEST(cluster_disagreement, is_not_seen_where_elements_have_addresses_or_padding) {
  struct padded {
    char c;
    double x;
  };
  const auto errors = on_ranks(2, [](cluster::engine who) {
    std::vector<padded> some(2);
    for (padded& each : some) {
      std::memset(static_cast<void*>(&each), who.link->rank() == 0 ? 0x55 : 0xaa, sizeof each);
      each.c = 'c';
      each.x = 1;
    }
    EXPECT_TRUE(parmap::map(who, [](const padded& p) { return p.x; }, some).ok());
    std::vector<std::unique_ptr<int>> owned;
    owned.push_back(std::make_unique<int>(1));
    EXPECT_TRUE(parmap::map(who, [](const std::unique_ptr<int>& p) { return *p; }, owned).ok());
  });
  EXPECT_EQ(errors, no_errors(2));
}

TEST(cluster_disagreement, on_options) {
  const std::vector<int> xs(4);
  EXPECT_NE(the_error(2, [&](cluster::engine who) {
              static_cast<void>(parmap::map(who, same, xs, {.retries = static_cast<unsigned>(who.link->rank())}));
            }).find("options.retries: 0 on rank 0, 1 on rank 1"),
            std::string::npos);
  EXPECT_NE(the_error(2, [&](cluster::engine who) {
              parmap::options chosen;
              if (who.link->rank() == 1) chosen.seed = 7;
              static_cast<void>(parmap::map(who, same, xs, chosen));
            }).find("options.seed: none on rank 0, 7 on rank 1"),
            std::string::npos);
  EXPECT_NE(the_error(2, [&](cluster::engine who) {
              if (who.link->rank() == 1) who.target = value_target::every_rank;
              static_cast<void>(parmap::map(who, same, xs));
            }).find("gather: root on rank 0, all on rank 1"),
            std::string::npos);
}

TEST(cluster_disagreement, on_the_call_itself_and_later_maps_work) {
  const auto errors = on_ranks(2, [](cluster::engine who) {
    who.site = who.link->rank() == 0 ? "main.cpp:10" : "main.cpp:12";
    EXPECT_THROW(static_cast<void>(parmap::map(who, same, std::vector<int>(3))), std::invalid_argument);
    who.site = "main.cpp:20";
    if (who.link->rank() == 0) EXPECT_THROW(static_cast<void>(parmap::map(who, same, std::vector<int>(3))), std::invalid_argument);
    else EXPECT_THROW(static_cast<void>(parmap::map(who, same, std::vector<double>(3))), std::invalid_argument);
    EXPECT_TRUE(parmap::map(who, same, std::vector<int>(3)).ok());
  });
  EXPECT_EQ(errors, no_errors(2));
}

// ---- Options.

TEST_P(ways, retries_and_what_may_be_retried) {
  const auto errors = on_ranks(2, [&](cluster::engine who) {
    who.inner = GetParam();
    // retry_if sees the index in the map.
    const auto made = parmap::map(
        who,
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

TEST_P(ways, the_map_stops_after_so_many_failures) {
  const auto errors = on_ranks(3, [&](cluster::engine who) {
    who.inner = GetParam();
    const auto made = parmap::map(
        who, [](int x) -> int { throw x; }, std::views::iota(0, 1'000'000'000), {.max_failures = 5});
    EXPECT_EQ(made.failures().size(), 1'000'000'000U);
    std::uint64_t threw = 0;
    for (const auto& each : made.summary().causes)
      if (each.first.kind == parmap::failure::threw) threw += each.count;
      else EXPECT_EQ(each.first.message, "options.max_failures was reached; the other failures say why");
    EXPECT_GE(threw, 5U);
  });
  EXPECT_EQ(errors, no_errors(3));
}

TEST_P(ways, a_stop_on_one_rank_stops_all) {
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

TEST_P(ways, the_deadline_ends_the_map) {
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

TEST_P(ways, times_of_all_ranks_are_added) {
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

TEST(cluster, the_reporter_of_rank_0_sees_all_tasks_and_what_it_throws_ends_the_map_everywhere) {
  std::atomic<std::uint64_t> last{0};
  std::atomic<int> wrong_rank{0};
  auto errors = on_ranks(3, [&](cluster::engine who) {
    const int rank = who.link->rank();
    static_cast<void>(parmap::map(who, same, std::views::iota(0, 1000), {.reporter = [&, rank](const parmap::progress& p) {
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

TEST(cluster, large_values_and_many_pieces) {
  for (const auto target : {value_target::rank_0, value_target::every_rank}) {
    const auto errors = on_ranks(4, [&](cluster::engine who) {
      who.target = target;
      const auto made = parmap::map(
          who, [](int x) { return std::vector<int>(static_cast<std::size_t>(x % 3 == 0 ? 500'000 : 10), x); },
          std::views::iota(0, 60));
      if (target == value_target::rank_0 && who.link->rank() != 0) return;
      const auto all = made.value();
      for (int x = 0; x < 60; ++x) {
        ASSERT_EQ(all[static_cast<std::size_t>(x)].size(), x % 3 == 0 ? 500'000U : 10U);
        ASSERT_EQ(all[static_cast<std::size_t>(x)].back(), x);
      }
    });
    EXPECT_EQ(errors, no_errors(4));
  }
}

// Its decode throws where the thread says so, its encode for 113.
thread_local bool cannot_decode = false;
struct fragile {
  int x;
  explicit fragile(int value) : x(value) {}
};

}  // namespace
template <>
struct parmap::codec<fragile> {
  static void encode(parmap::encoder& out, const fragile& it) {
    if (it.x == 113) throw std::runtime_error("cannot write it");
    out.put(it.x);
  }
  static fragile decode(parmap::decoder& in) {
    const int x = in.get<int>();
    if (cannot_decode) throw std::runtime_error("cannot read " + std::to_string(x));
    return fragile(x);
  }
};
namespace {

TEST(cluster, a_rank_that_cannot_read_a_value_throws_and_holds_nobody_up) {
  for (const auto target : {value_target::rank_0, value_target::every_rank}) {
    const auto errors = on_ranks(3, [&](cluster::engine who) {
      who.target = target;
      cannot_decode = who.link->rank() == 0;
      const auto xs = std::views::iota(0, 100);
      const auto f = [](int x) { return fragile(x); };
      if (who.link->rank() == 0) EXPECT_THROW(static_cast<void>(parmap::map(who, f, xs)), std::runtime_error);
      else EXPECT_TRUE(parmap::map(who, f, xs).ok());
      cannot_decode = false;
      EXPECT_TRUE(parmap::map(who, f, xs).ok());
    });
    EXPECT_EQ(errors, no_errors(3));
  }
}

TEST(cluster, a_value_that_cannot_be_encoded_is_a_failure) {
  const auto errors = on_ranks(2, [](cluster::engine who) {
    who.target = value_target::every_rank;
    const auto made = parmap::map(who, [](int x) { return fragile(x); }, std::views::iota(0, 200));
    ASSERT_EQ(made.failures().size(), 1U);
    EXPECT_EQ(made.failures()[0].index, 113U);
    EXPECT_EQ(made.failures()[0].kind, parmap::failure::unencodable);
    EXPECT_EQ(made.failures()[0].message, "encoding its result: std::runtime_error: cannot write it");
    EXPECT_EQ(made[199].x, 199);
  });
  EXPECT_EQ(errors, no_errors(2));
}

TEST(cluster, options_that_the_inner_engine_lacks_are_refused_on_every_rank) {
  EXPECT_NE(the_error(2, [](cluster::engine who) {
              static_cast<void>(parmap::map(who, same, std::vector<int>(3), {.timeout = std::chrono::seconds(1)}));
            }).find("has no options.timeout"),
            std::string::npos);
  EXPECT_NE(the_error(2, [](cluster::engine who) {
              static_cast<void>(parmap::map(who, same, std::vector<int>(3), {.memory_limit = 1000}));
            }).find("has no options.memory_limit"),
            std::string::npos);
}

TEST(cluster, a_task_cannot_call_a_map_of_all_ranks) {
  const auto errors = on_ranks(1, [](cluster::engine who) {
    const auto made = parmap::map(who, [&](int) { return parmap::map(who, same, std::vector<int>(3)).size(); }, std::vector<int>(2));
    ASSERT_EQ(made.failures().size(), 2U);
    EXPECT_NE(made.failures()[0].message.find("a task cannot call a map on parmap::mpi"), std::string::npos);
  });
  EXPECT_EQ(errors, no_errors(1));
}

// ---- Machines and launchers.

TEST(cluster_nodes, ranks_in_words) {
  using parmap::detail::describe_ranks;
  EXPECT_EQ(describe_ranks({1, 3, 4, 5, 6, 7}), "1, 3-7");
  EXPECT_EQ(describe_ranks({0}), "0");
  EXPECT_EQ(describe_ranks({2, 3}), "2, 3");
}

TEST(cluster_nodes, the_cores_of_a_machine_are_those_of_its_ranks) {
  const auto rank = [](const char* key, unsigned long mask) {
    return parmap::detail::host_facts{.host = key, .key = key, .mask = {mask}, .quota = 0, .allocated = 64};
  };
  const std::vector all{rank("n1", 0b0011), rank("n2", 0b1), rank("n1", 0b1100)};
  auto plan = parmap::detail::plan_nodes(all, false, 0);
  ASSERT_EQ(plan.nodes.size(), 2U);
  EXPECT_EQ(plan.nodes[0].ranks, (std::vector{0, 2}));
  EXPECT_EQ(plan.nodes[0].workers, 4U);
  EXPECT_EQ(plan.workers(), 5U);
  const std::string text = describe_nodes(plan, 3, true);
  EXPECT_EQ(text,
            "parmap: 2 nodes, 5 workers (3 ranks)\n"
            "parmap: ranks 0, 2 (n1) may use 4 of 64 CPUs: srun -c 64, or mpirun --bind-to none --map-by ppr:1:node\n");
  plan = parmap::detail::plan_nodes(all, true, 0);
  EXPECT_EQ(plan.nodes.size(), 3U);
  EXPECT_EQ(describe_nodes(plan, 3, true), "parmap: 2 nodes, 3 workers (3 ranks)\n");
  plan = parmap::detail::plan_nodes(all, false, 7);
  EXPECT_EQ(plan.workers(), 14U);
}

TEST(cluster_nodes, a_wrong_launcher_is_seen_by_its_environment) {
  for (const char* each : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"})
    ::unsetenv(each);
  EXPECT_EQ(parmap::detail::wrong_launcher(), "");
  ::setenv("PMI_SIZE", "4", 1);
  EXPECT_NE(parmap::detail::wrong_launcher().find("PMI_SIZE=4"), std::string::npos);
  ::unsetenv("PMI_SIZE");
  ::setenv("SLURM_NTASKS", "4", 1);
  EXPECT_NE(parmap::detail::wrong_launcher().find("SLURM_NTASKS=4"), std::string::npos);
  ::setenv("SLURM_STEP_NUM_TASKS", "1", 1);  // srun -n 1 in a job of four tasks
  EXPECT_EQ(parmap::detail::wrong_launcher(), "");
  ::unsetenv("SLURM_NTASKS");
  ::unsetenv("SLURM_STEP_NUM_TASKS");
}

TEST(cluster_pace, asks_for_a_task_of_each_worker_first_and_for_none_ahead_where_tasks_are_long) {
  parmap::detail::agent_pace pace(4);
  const auto begun = parmap::detail::agent_pace::clock::now();
  EXPECT_TRUE(pace.wants());
  EXPECT_EQ(pace.next().most, 4U);
  pace.was_granted(4);
  EXPECT_FALSE(pace.wants());
  pace.look(begun + std::chrono::seconds(10), 0);
  EXPECT_FALSE(pace.wants());
  pace.look(begun + std::chrono::seconds(20), 1);
  EXPECT_TRUE(pace.wants());
  EXPECT_EQ(pace.next().most, 1U);
}

TEST(cluster_pace, asks_for_a_quarter_of_a_second_where_tasks_are_short) {
  parmap::detail::agent_pace pace(2);
  const auto begun = parmap::detail::agent_pace::clock::now();
  std::uint64_t ended = 0;
  for (int step = 1; step <= 12; ++step) {  // 1000 tasks each ms
    if (pace.wants()) pace.was_granted(pace.next().most);
    ended += std::min<std::uint64_t>(pace.open(), 5000);
    pace.look(begun + std::chrono::milliseconds(5 * step), ended);
  }
  EXPECT_GE(pace.open(), 100'000U);
  EXPECT_LE(pace.open(), 1'000'000U);
}

}  // namespace
