// SPDX-License-Identifier: MIT
// What parmap::mpi costs, for the model of benchmarks/scale: run on two ranks, prints "name seconds" lines. And maps of
// tasks that sleep, for its check: costs sleeps WORKERS TASKS SECONDS HEAVY, where HEAVY is 0 or 1.
#include <parmap/mpi.hpp>
#include <parmap/parmap.hpp>

#include <mpi.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numbers>
#include <ranges>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using seconds = std::chrono::duration<double>;

template <class Fn>
double took(Fn fn) {
  std::vector<double> runs;
  for (int k = 0; k < 5; ++k) {
    const auto begun = std::chrono::steady_clock::now();
    fn();
    runs.push_back(seconds(std::chrono::steady_clock::now() - begun).count());
  }
  std::ranges::nth_element(runs, runs.begin() + 2);
  return runs[2];
}

// CPU seconds of rank 0 for a question of 64 bytes and its answer, as rank 0 takes and gives them. All questions are
// there before.
double question_and_answer(int rank) {
  constexpr int times = 2000;
  std::array<char, 64> text{};
  std::vector<MPI_Request> sent(times, MPI_REQUEST_NULL);
  if (rank == 1)
    for (MPI_Request& each : sent) MPI_Isend(text.data(), 64, MPI_BYTE, 0, 1, MPI_COMM_WORLD, &each);
  MPI_Barrier(MPI_COMM_WORLD);
  const std::clock_t begun = std::clock();
  for (int k = 0; k < times; ++k) {
    MPI_Message found = MPI_MESSAGE_NULL;
    for (int is_there = 0; is_there == 0;)
      MPI_Improbe(1 - rank, 1, MPI_COMM_WORLD, &is_there, &found, MPI_STATUS_IGNORE);
    MPI_Mrecv(text.data(), 64, MPI_BYTE, &found, MPI_STATUS_IGNORE);
    if (rank == 0) MPI_Isend(text.data(), 64, MPI_BYTE, 1, 1, MPI_COMM_WORLD, &sent[static_cast<std::size_t>(k)]);
  }
  const std::clock_t ended = std::clock();
  MPI_Waitall(times, sent.data(), MPI_STATUSES_IGNORE);
  return static_cast<double>(ended - begun) / CLOCKS_PER_SEC / times;
}

// The same times as heavy() in model.py.
double heavy(std::uint64_t task, double mean) {
  std::uint64_t u = (task * 0x9E3779B97F4A7C15U + 0xD1B54A32D192ED03U) ^ 0x2545F4914F6CDD1DU;
  u = (u ^ (u >> 30)) * 0xBF58476D1CE4E5B9U;
  u = (u ^ (u >> 27)) * 0x94D049BB133111EBU;
  const double a = (static_cast<double>(u >> 32) + 0.5) / 4294967296.0;
  const double b = (static_cast<double>(u & 0xFFFFFFFFU) + 0.5) / 4294967296.0;
  return mean * std::exp(std::sqrt(-2 * std::log(a)) * std::cos(2 * std::numbers::pi * b) - 0.5);
}

void measure(int rank) {
  const auto say = [&](const char* name, double value) {
    if (rank == 0) std::printf("%s %.9g\n", name, value);
  };
  say("question and answer", question_and_answer(rank));
  const auto square = [](std::uint64_t i) { return static_cast<double>(i) * static_cast<double>(i); };
  const auto nothing = [](std::uint64_t) {};
  const auto few = std::views::iota(std::uint64_t{0}, std::uint64_t{2});
  const auto many = std::views::iota(std::uint64_t{0}, std::uint64_t{2'000'000});
  const parmap::options quiet{.reporter = parmap::report::silent, .workers = 1};
  const parmap::options of_16{.reporter = parmap::report::silent, .workers = 16};
  const auto sixteen = std::views::iota(std::uint64_t{0}, std::uint64_t{32});
  const double fixed = took([&] { static_cast<void>(parmap::map(parmap::mpi, nothing, few, quiet)); });
  say("map of two tasks", fixed);
  say("map of 32 tasks on 16 workers a node",
      took([&] { static_cast<void>(parmap::map(parmap::mpi, nothing, sixteen, of_16)); }));
  const double bare = took([&] { static_cast<void>(parmap::map(parmap::mpi, nothing, many, quiet)); });
  say("task", (bare - fixed) / 2e6);
  const double gathered = took([&] { static_cast<void>(parmap::map(parmap::mpi, square, many, quiet)); });
  const double kept = took(
      [&] { static_cast<void>(parmap::map(parmap::mpi.with({.gather = parmap::gather::none}), square, many, quiet)); });
  say("value of 8 bytes, gathered", std::max(0.0, gathered - kept) / 1e6);  // half of them come from the other rank
}

}  // namespace

int main(int argc, char** argv) {
  const parmap::mpi_session session(argc, argv);
  if (argc == 6 && std::string_view(argv[1]) == "sleeps") {
    const auto workers = static_cast<unsigned>(std::atoi(argv[2]));
    const auto tasks = static_cast<std::uint64_t>(std::atoll(argv[3]));
    const double mean = std::atof(argv[4]);
    const bool is_heavy = argv[5][0] == '1';
    const auto begun = std::chrono::steady_clock::now();
    const auto ended = parmap::map(
        parmap::mpi, [=](std::uint64_t i) { std::this_thread::sleep_for(seconds(is_heavy ? heavy(i, mean) : mean)); },
        std::views::iota(std::uint64_t{0}, tasks), {.reporter = parmap::report::silent, .workers = workers});
    if (session.rank() == 0) std::printf("%.6f\n", seconds(std::chrono::steady_clock::now() - begun).count());
    return ended.ok() ? 0 : 1;
  }
  measure(session.rank());
  return 0;
}
