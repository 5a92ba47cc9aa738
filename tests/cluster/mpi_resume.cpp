// SPDX-License-Identifier: MIT
// A job with a store, of which a rank is killed in the middle, and another job that resumes it; run.sh starts both.
// mpi_resume FOLDER kill|resume, and mpi_resume FOLDER count: whether enough outcomes are stored to kill the job.
#include <parmap/checkpoint.hpp>
#include <parmap/engine/serial.hpp>
#include <parmap/mpi.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace {

constexpr int tasks = 400;
constexpr int first_late = 200;
constexpr int enough = 50;  // stored outcomes, before a rank is killed
using value = std::pair<std::string, double>;

value compute(parmap::context& self, int x) {
  return {std::to_string(0.1 * x), static_cast<double>(self.rng()()) * 0.1};
}

// What another program sees in the file; 0 while there is nothing.
int stored_in(const std::string& file) {
  int count = 0;
  sqlite3* db = nullptr;
  if (sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK) {
    sqlite3_busy_timeout(db, 1000);
    static_cast<void>(sqlite3_exec(
        db, "SELECT count(*) FROM results",
        [](void* to, int, char** row, char**) {
          *static_cast<int*>(to) = std::atoi(row[0]);
          return 0;
        },
        &count, nullptr));
  }
  sqlite3_close(db);
  return count;
}

// Each task adds a byte, in whatever process.
void note_run(const std::string& file) {
  const int to = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (to < 0 || ::write(to, ".", 1) != 1) throw std::runtime_error("cannot write " + file);
  ::close(to);
}
std::uintmax_t runs_in(const std::string& file) {
  return std::filesystem::exists(file) ? std::filesystem::file_size(file) : 0;
}

void expect(bool is, const char* what) {
  if (!is) throw std::runtime_error(std::string("not as it should be: ") + what);
}

int run(const std::string& folder, bool kills, int argc, char** argv) {
  const parmap::mpi_session session(argc, argv);
  const std::string file = folder + "/sweep.db";
  const std::string runs = folder + "/runs";
  const bool is_root = session.rank() == 0;
  // A late task kills its rank. Another program looks into the file: this process may have inherited it from rank 0.
  const std::string count = std::filesystem::read_symlink("/proc/self/exe").string() + " '" + folder + "' count";
  const auto f = [&, rank = ::getpid()](parmap::context& self, int x) {
    note_run(runs);
    if (kills && x >= first_late) {
      while (std::system(count.c_str()) != 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ::kill(rank, SIGKILL);
      ::pause();
    }
    return compute(self, x);
  };
  const auto sweep = [&](parmap::gather where) {
    return parmap::map(parmap::mpi.with({.gather = where}), f, parmap::axis("x", std::views::iota(0, tasks)),
                       {.reporter = parmap::report::silent, .store = parmap::checkpoint(file, {.name = "compute"})});
  };
  if (kills) {
    static_cast<void>(sweep(parmap::gather::root));
    return 0;  // nobody comes here
  }
  MPI_Barrier(MPI_COMM_WORLD);
  if (is_root) std::filesystem::remove(runs);
  MPI_Barrier(MPI_COMM_WORLD);
  const auto resumed = sweep(parmap::gather::root);
  const std::uint64_t stored = resumed.stored();
  expect(stored >= enough && stored < tasks, "some outcomes were stored");
  expect(resumed.ok(), "all tasks have values");
  const auto whole = parmap::map(parmap::serial, compute, std::views::iota(0, tasks), {.seed = resumed.seed()}).value();
  if (is_root) {
    expect(resumed.value() == whole, "gathered on the root");
    expect(runs_in(runs) == tasks - stored, "only what was missing has run");
  }
  const auto all = sweep(parmap::gather::all);
  expect(all.stored() == tasks && all.value() == whole, "gathered on all");
  const auto none = sweep(parmap::gather::none);
  std::uint64_t here = 0;
  for (const auto& [b, e] : none.here())
    for (std::uint64_t i = b; i < e; ++i, ++here) expect(none[i] == whole[i], "where it was read");
  expect(here == (is_root ? tasks : 0), "what was stored is on rank 0");
  if (is_root) {
    expect(runs_in(runs) == tasks - stored, "nothing has run again");
    std::cout << "resumed: " << stored << " of " << tasks << std::endl;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) return 2;
  if (argv[2] == std::string_view("count")) return stored_in(std::string(argv[1]) + "/sweep.db") < enough;
  return run(argv[1], std::string_view(argv[2]) == "kill", argc, argv);
} catch (const std::exception& why) {
  std::cerr << "main: " << why.what() << std::endl;
  return 1;
}
