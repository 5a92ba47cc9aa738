// SPDX-License-Identifier: MIT
// Ranks that call different maps, machines and launchers: see cluster_test.cpp.
#include "cluster/ranks_in_threads.hpp"

#include <gtest/gtest.h>
#include <parmap/axis.hpp>
#include <parmap/detail/cluster/node_plan.hpp>
#include <parmap/fargs.hpp>
#include <parmap/map.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using cluster::no_errors;
using cluster::on_ranks;
using cluster::same;
using cluster::the_error;
using parmap::detail::value_target;

// ---- Ranks that disagree.

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
  EXPECT_TRUE(
      differ([](int rank) { return std::vector<std::string>{"a", std::to_string(rank)}; }).starts_with(expected));
  EXPECT_TRUE(differ([](int rank) { return std::vector<std::vector<int>>{{1}, {rank, 3}}; }).starts_with(expected));
  EXPECT_TRUE(differ([](int rank) { return std::views::iota(rank, rank + 9); }).starts_with(expected));
  EXPECT_TRUE(differ([](int rank) { return parmap::axis("mu", {1.5, 0.5 * rank}); }).starts_with(expected));
  EXPECT_TRUE(differ([](int rank) { return parmap::axis(rank == 0 ? "mu" : "nu", {1.5}); }).starts_with(expected));
  struct point {
    double x;
    char name;
  };
  EXPECT_TRUE(
      differ([](int rank) { return std::vector<point>{{1, 'a'}, {2, rank == 0 ? 'b' : 'c'}}; }).starts_with(expected));
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

TEST(cluster_disagreement, on_a_fixed_argument) {
  const std::string error = the_error(2, [](cluster::engine who) {
    const auto f = [](int x, const std::string& text) { return x + static_cast<int>(text.size()); };
    static_cast<void>(
        parmap::map(who, parmap::fargs(f, std::string(who.link->rank() == 0 ? "a" : "b")), std::vector<int>(4)));
  });
  EXPECT_TRUE(error.starts_with("parmap: the ranks disagree on the fixed arguments of f: those of rank 1")) << error;
}

TEST(cluster_disagreement, on_options) {
  const std::vector<int> xs(4);
  EXPECT_NE(the_error(2,
                      [&](cluster::engine who) {
                        static_cast<void>(
                            parmap::map(who, same, xs, {.retries = static_cast<unsigned>(who.link->rank())}));
                      })
                .find("options.retries: 0 on rank 0, 1 on rank 1"),
            std::string::npos);
  EXPECT_NE(the_error(2,
                      [&](cluster::engine who) {
                        parmap::options chosen;
                        if (who.link->rank() == 1) chosen.seed = 7;
                        static_cast<void>(parmap::map(who, same, xs, chosen));
                      })
                .find("options.seed: none on rank 0, 7 on rank 1"),
            std::string::npos);
  EXPECT_NE(the_error(2,
                      [&](cluster::engine who) {
                        if (who.link->rank() == 1) who.target = value_target::every_rank;
                        static_cast<void>(parmap::map(who, same, xs));
                      })
                .find("gather: root on rank 0, all on rank 1"),
            std::string::npos);
}

TEST(cluster_disagreement, on_the_call_itself_and_later_maps_work) {
  const auto errors = on_ranks(2, [](cluster::engine who) {
    who.site = who.link->rank() == 0 ? "main.cpp:10" : "main.cpp:12";
    EXPECT_THROW(static_cast<void>(parmap::map(who, same, std::vector<int>(3))), std::invalid_argument);
    who.site = "main.cpp:20";
    if (who.link->rank() == 0)
      EXPECT_THROW(static_cast<void>(parmap::map(who, same, std::vector<int>(3))), std::invalid_argument);
    else EXPECT_THROW(static_cast<void>(parmap::map(who, same, std::vector<double>(3))), std::invalid_argument);
    EXPECT_TRUE(parmap::map(who, same, std::vector<int>(3)).ok());
  });
  EXPECT_EQ(errors, no_errors(2));
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
  for (const char* each :
       {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"})
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

}  // namespace
