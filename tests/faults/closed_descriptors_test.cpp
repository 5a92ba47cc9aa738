// SPDX-License-Identifier: MIT
// A task that closes all descriptors of its worker: a worker that can wake nobody any more is replaced.
#include "leftovers.hpp"
#include "shared_counters.hpp"
#include "watchdog.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>

namespace {

using namespace std::chrono_literals;

class closed_descriptors_test : public leftovers::none {
 protected:
  watchdog dog_{60s};
};

void close_all() { ::close_range(3, ~0U, 0); }
// Takes so long that its caller sleeps before it ends.
pid_t take_a_moment(int) {
  ::usleep(3000);
  return ::getpid();
}
pid_t close_all_of_worker(int) {
  close_all();
  return take_a_moment(0);
}

// Whoever cannot wake the caller is gone after some tasks; at the latest after one during which the caller slept.
TEST_F(closed_descriptors_test, of_a_worker_of_a_pool) {
  const parmap::pool workers({.workers = 1});
  for (int round = 0; round < 3; ++round) {
    const pid_t mute = workers.submit(close_all_of_worker, 0).get();
    int count = 0;
    while (count < 10 && workers.submit(take_a_moment, 0).get() == mute) ++count;
    EXPECT_LT(count, 10);
  }
}

TEST_F(closed_descriptors_test, of_a_worker_of_a_stream) {
  std::set<pid_t> all;
  const auto f = [](int i) { return i == 0 ? close_all_of_worker(0) : take_a_moment(i); };
  for (auto&& each : parmap::stream(parmap::multi, f, std::views::iota(0, 30), {.window = 1, .workers = 1}))
    all.insert(each.outcome.value());
  EXPECT_EQ(all.size(), 2U);
}

// Where the supervisor waits for news, as tasks are tried again later.
TEST_F(closed_descriptors_test, of_a_worker_of_a_map_with_retries) {
  const shared_counters page;
  const auto f = [&page](const parmap::context& self, int) {
    if (self.attempt() == 1) {
      page[0] = ::getpid();
      close_all();
      throw std::runtime_error("try again");
    }
    page[1] = ::getpid();
    return 1;
  };
  const auto all = parmap::map(f, std::views::iota(0, 1), {.retries = 1, .retry_delay = 1ms, .workers = 1});
  EXPECT_TRUE(all.ok()) << all.failures();
  EXPECT_NE(page[0], page[1]);
}

// What a task has opened under the number of a descriptor of parmap is not written to.
TEST_F(closed_descriptors_test, and_a_file_in_their_place) {
  const parmap::pool workers({.workers = 1});
  const auto f = [](int) {
    close_all();
    const int file = ::memfd_create("of the task", 0);
    for (int other = file + 1; other < 64; ++other) ::dup2(file, other);
    return file;
  };
  // In another worker the number may stand for a file that the caller has open.
  const auto size_of = [](int file) {
    struct stat about{};
    std::error_code gone;
    const auto name = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), gone).string();
    return name.find("of the task") != name.npos && ::fstat(file, &about) == 0 ? static_cast<int>(about.st_size) : 0;
  };
  const int file = workers.submit(f, 0).get();
  for (int round = 0; round < 3; ++round) {
    static_cast<void>(workers.submit(take_a_moment, 0).get());
    EXPECT_EQ(workers.submit(size_of, file).get(), 0);
  }
}

}  // namespace
