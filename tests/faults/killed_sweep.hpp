// SPDX-License-Identifier: MIT
// A map with a checkpoint in a child process that is killed at a random moment.
#pragma once

#include <parmap/checkpoint.hpp>
#include <parmap/detail/checkpoints/database.hpp>

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <tuple>

namespace killed_sweep {

// The number of outcomes in the file; 0 while there is no such table.
inline std::int64_t stored(const std::string& file) {
  try {
    return parmap::detail::database(file).number("SELECT count(*) FROM result_1");
  } catch (const parmap::store_failed&) {
    return 0;
  }
}

// The child, and its workers, which this process may have adopted.
inline void reap_all() {
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

// Runs sweep(file) in a child, kills it below a number of further outcomes and a moment after it, and checks that the
// file is whole and has all that it had before the kill.
template <class Sweep>
void run_and_kill(const Sweep& sweep, const std::string& file, std::mt19937_64& random, std::uint64_t most = 150) {
  using std::chrono::microseconds;
  const pid_t child = ::fork();
  if (child == 0) {
    std::ignore = sweep(file);
    ::_exit(0);
  }
  const auto enough = stored(file) + static_cast<std::int64_t>(random() % most);
  int status = 0;
  while (stored(file) < enough && ::waitpid(child, &status, WNOHANG) == 0)
    std::this_thread::sleep_for(microseconds(1000));
  std::this_thread::sleep_for(microseconds(random() % 5000));
  const std::int64_t acknowledged = stored(file);
  ::kill(child, SIGKILL);
  reap_all();
  ASSERT_GE(stored(file), acknowledged);
  parmap::detail::database read(file);
  auto check = read.prepare("PRAGMA integrity_check");
  ASSERT_TRUE(check.step());
  ASSERT_EQ(check.bytes(0), "ok");
}

}  // namespace killed_sweep
