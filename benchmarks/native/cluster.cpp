// SPDX-License-Identifier: MIT
// One measurement of benchmarks/cluster.py, by two ranks: mpirun -n 2 cluster WAY WORK. WAY: hand (a self-scheduler of
// MPI written by hand), serial, threads or multi (parmap::mpi with that inner engine). WORK: tasks (1e4 tasks of
// 100 µs), tiny (1e6 tasks that square a number) or empty (a map of two tasks, for the fixed cost).
// Rank 0 prints the wall time in ms: the median of several rounds after one that does not count.
#include <parmap/mpi.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ranges>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

double square(std::uint64_t x) { return static_cast<double>(x) * static_cast<double>(x); }
double work_100_us(std::uint64_t x) {
  const auto end = clock_type::now() + std::chrono::microseconds(100);
  while (clock_type::now() < end) {
  }
  return square(x);
}

// What users write: the next chunk is taken from a counter in a window of rank 0, and the values are gathered at the
// end. The chunk is chosen for this work by hand.
template <class F>
std::vector<double> by_hand(const F& f, std::uint64_t n, std::uint64_t chunk) {
  int rank = 0;
  int ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  std::uint64_t* counter = nullptr;
  MPI_Win window = MPI_WIN_NULL;
  MPI_Win_allocate(rank == 0 ? sizeof *counter : 0, sizeof *counter, MPI_INFO_NULL, MPI_COMM_WORLD,
                   static_cast<void*>(&counter), &window);
  if (rank == 0) *counter = 0;
  MPI_Barrier(MPI_COMM_WORLD);
  std::vector<double> mine(n, 0.0);
  MPI_Win_lock_all(0, window);
  for (;;) {
    std::uint64_t from = 0;
    MPI_Fetch_and_op(&chunk, &from, MPI_UINT64_T, 0, 0, MPI_SUM, window);
    MPI_Win_flush(0, window);
    if (from >= n) break;
    for (std::uint64_t i = from; i < std::min(from + chunk, n); ++i) mine[i] = f(i);
  }
  MPI_Win_unlock_all(window);
  std::vector<double> all(rank == 0 ? n : 0);
  MPI_Reduce(mine.data(), all.data(), static_cast<int>(n), MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
  MPI_Win_free(&window);
  return all;
}

template <class F>
std::vector<double> once(std::string_view way, const F& f, std::uint64_t n, std::uint64_t chunk, bool is_root) {
  if (way == "hand") return by_hand(f, n, chunk);
  const parmap::inner_engine inner = way == "serial"    ? parmap::inner_engine(parmap::serial)
                                     : way == "threads" ? parmap::inner_engine(parmap::threads)
                                                        : parmap::inner_engine(parmap::multi);
  auto made = parmap::map(parmap::mpi.with({.inner = inner}), f, std::views::iota(std::uint64_t{0}, n),
                          {.reporter = parmap::report::silent, .seed = 1, .workers = way == "serial" ? 0U : 1U});
  if (!is_root) return {};
  return std::move(made).value();
}

template <class F>
double median_ms(std::string_view way, const F& f, std::uint64_t n, std::uint64_t chunk, int rounds, bool is_root) {
  std::vector<double> took;
  for (int round = 0; round <= rounds; ++round) {
    MPI_Barrier(MPI_COMM_WORLD);
    const auto begun = clock_type::now();
    const auto all = once(way, f, n, chunk, is_root);
    const double ms = std::chrono::duration<double, std::milli>(clock_type::now() - begun).count();
    if (is_root && (all.size() != n || all.back() != square(n - 1))) std::abort();
    if (round > 0) took.push_back(ms);
  }
  std::ranges::sort(took);
  return took[took.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const parmap::mpi_session session(argc, argv);
  if (argc != 3) return 2;
  const std::string_view way = argv[1];
  const std::string_view work = argv[2];
  const bool is_root = session.rank() == 0;
  double ms = 0;
  if (work == "tasks") ms = median_ms(way, work_100_us, 10'000, 1, 3, is_root);
  else if (work == "tiny") ms = median_ms(way, square, 1'000'000, 1000, 5, is_root);
  else ms = median_ms(way, square, 2, 1, 20, is_root);
  if (is_root) std::printf("%.4f\n", ms);
}
