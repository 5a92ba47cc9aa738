// SPDX-License-Identifier: MIT
// The engine mpi under MPI: run.sh starts this program with one rank and with several. What the protocol itself
// promises is in ../cluster_test.cpp.
#include <parmap/map_reduce.hpp>
#include <parmap/mpi.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

int my_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}
int all_ranks() {
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  return ranks;
}

double draw(parmap::context& self, int x) { return x + std::uniform_real_distribution<>{}(self.rng()); }

const parmap::mpi_engine engines[] = {parmap::mpi, parmap::mpi.with({.inner = parmap::threads}),
                                      parmap::mpi.with({.inner = parmap::serial})};

TEST(mpi, has_the_values_of_one_machine) {
  const auto expected = parmap::map(parmap::serial, draw, std::views::iota(0, 5000), {.seed = 3}).value();
  for (const auto& who : engines) {
    const auto made = parmap::map(who, draw, std::views::iota(0, 5000), {.seed = 3});
    ASSERT_TRUE(made.ok());
    if (my_rank() == 0) EXPECT_EQ(made.value(), expected);
    else EXPECT_THROW(static_cast<void>(made.value()), std::logic_error);
  }
}

TEST(mpi, gathers_on_all_ranks) {
  const auto made = parmap::map(
      parmap::mpi.with({.gather = parmap::gather::all}),
      [](int x, const std::string& y) { return std::to_string(x) + y; }, std::views::iota(0, 100),
      std::vector<std::string>{"a", "b"});
  const auto all = made.value();
  ASSERT_EQ(all.size(), 200U);
  EXPECT_EQ(all.front(), "0a");
  EXPECT_EQ(all.back(), "99b");
}

TEST(mpi, reduces_to_the_same_bits_on_every_rank) {
  const auto f = [](parmap::context& self, int x) {
    if (x == 600) throw std::runtime_error("no");
    return x + std::uniform_real_distribution<>{}(self.rng());
  };
  const auto xs = std::views::iota(0, 2000);
  const auto expected = parmap::map_reduce(parmap::threads, f, std::plus{}, 0.1, xs, {.seed = 3});
  for (const auto& who : engines) {
    const auto made = parmap::map_reduce(who, f, std::plus{}, 0.1, xs, {.seed = 3});
    ASSERT_EQ(made.failures().size(), 1U);
    EXPECT_EQ(made.failures()[0].index, 600U);
    EXPECT_EQ(std::bit_cast<std::uint64_t>(made.partial()), std::bit_cast<std::uint64_t>(expected.partial()));
  }
}

TEST(mpi, leaves_the_values_where_they_are) {
  const auto made = parmap::map(
      parmap::mpi.with({.gather = parmap::gather::none}), [](int x) { return 2 * x; }, std::views::iota(0, 1000));
  long long mine = 0;
  for (const auto& [b, e] : made.here())
    for (std::uint64_t i = b; i < e; ++i) mine += made[i];
  long long all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
  EXPECT_EQ(all, 999'000);
}

TEST(mpi, loses_only_the_task_that_crashes_exits_or_hangs) {
  const auto f = [](int x) {
    if (x == 7) std::abort();
    if (x == 11)
      for (;;) ::pause();
    if (x == 13) ::raise(SIGSEGV);
    if (x == 17) throw std::runtime_error("no");
    if (x == 19) ::_exit(3);
    return 2 * x;
  };
  const auto made = parmap::map(parmap::mpi, f, std::views::iota(0, 100), {.timeout = std::chrono::milliseconds(700)});
  std::vector<std::pair<std::uint64_t, parmap::failure_kind>> lost;
  for (const parmap::failure& why : made.failures()) {
    lost.emplace_back(why.index, why.kind);
    EXPECT_EQ(why.place.starts_with("rank "), all_ranks() > 1) << why.place;
  }
  using enum parmap::failure_kind;
  EXPECT_EQ(lost, (std::vector<std::pair<std::uint64_t, parmap::failure_kind>>{
                      {7, crashed}, {11, timed_out}, {13, crashed}, {17, threw}, {19, exited}}));
  if (my_rank() == 0) {
    for (const auto& [b, e] : made.here())
      for (std::uint64_t i = b; i < e; ++i) ASSERT_EQ(made[i], 2 * static_cast<int>(i));
  }
  // Nothing is left behind.
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(mpi, has_a_seed_that_all_ranks_know) {
  const auto made = parmap::map(parmap::mpi, draw, std::views::iota(0, 10));
  std::uint64_t seeds[2] = {made.seed(), ~made.seed()};
  std::uint64_t least[2];
  MPI_Allreduce(seeds, least, 2, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
  EXPECT_EQ(seeds[0], least[0]);
  EXPECT_EQ(seeds[1], least[1]);
}

TEST(mpi, sends_messages_larger_than_one_part) {
  // run.sh sets PARMAP_MPI_PART_FOR_TESTS; without it a part is of 1 GiB.
  const auto make = [](int x) { return std::vector<int>(static_cast<std::size_t>(20'000 * (x % 4)), x); };
  for (const auto where : {parmap::gather::root, parmap::gather::all}) {
    const auto made = parmap::map(parmap::mpi.with({.gather = where}), make, std::views::iota(0, 50));
    if (where == parmap::gather::root && my_rank() != 0) continue;
    const auto all = made.value();
    for (int x = 0; x < 50; ++x) ASSERT_EQ(all[static_cast<std::size_t>(x)], make(x));
  }
}

TEST(mpi, runs_on_a_part_of_the_ranks_and_frees_what_it_keeps) {
  for (int round = 0; round < 3; ++round) {
    MPI_Comm half = MPI_COMM_NULL;
    MPI_Comm_split(MPI_COMM_WORLD, my_rank() % 2, 0, &half);
    int size = 0;
    MPI_Comm_size(half, &size);
    const auto made = parmap::map(parmap::mpi.on(half).with({.gather = parmap::gather::all}),
                                  [rank = my_rank() % 2](int x) { return x + 1000 * rank; }, std::views::iota(0, 20),
                                  {.reporter = parmap::report::silent});
    EXPECT_EQ(made.value()[5], 5 + 1000 * (my_rank() % 2));
    MPI_Comm_free(&half);
  }
}

TEST(mpi, sees_that_ranks_disagree) {
  if (all_ranks() == 1) GTEST_SKIP() << "one rank";
  try {
    static_cast<void>(parmap::map(parmap::mpi, [](int x) { return x; }, std::vector<int>(my_rank() == 1 ? 4 : 3)));
    ADD_FAILURE() << "no error";
  } catch (const std::invalid_argument& why) {
    EXPECT_NE(std::string(why.what()).find("the size of axis 1: 3 on rank 0, 4 on rank 1"), std::string::npos)
        << why.what();
  }
  EXPECT_TRUE(parmap::map(parmap::mpi, [](int x) { return x; }, std::vector<int>(3)).ok());
}

TEST(mpi, refuses_a_call_inside_a_task) {
  const auto made = parmap::map(
      parmap::mpi, [](int) { return parmap::map(parmap::mpi, [](int x) { return x; }, std::vector<int>(3)).size(); },
      std::vector<int>(2));
  ASSERT_EQ(made.failures().size(), 2U);
  EXPECT_NE(made.failures()[0].message.find("a task cannot call a map on parmap::mpi"), std::string::npos);
}

TEST(mpi, messages_of_the_program_do_not_meet_those_of_the_map) {
  const int next = (my_rank() + 1) % all_ranks();
  int got = -1;
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Irecv(&got, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &request);
  EXPECT_TRUE(parmap::map(parmap::mpi, [](int x) { return x; }, std::views::iota(0, 100)).ok());
  const int mine = my_rank();
  MPI_Send(&mine, 1, MPI_INT, next, 5, MPI_COMM_WORLD);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  EXPECT_EQ(got, (my_rank() + all_ranks() - 1) % all_ranks());
}

}  // namespace
