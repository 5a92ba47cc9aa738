// SPDX-License-Identifier: MIT
// Checks that a map leaves nothing behind: no child, no file descriptor, no shared mapping.
#pragma once

#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace leftovers {

inline std::size_t open_fds() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

// Counts the shared anonymous mappings: a map creates them, and its results may keep one.
inline std::size_t shared_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);)
    if (line.find("/dev/zero (deleted)") != std::string::npos) ++count;
  return count;
}

// Returns whether there are living or unreaped children. As a subreaper this process also gets whatever its children
// leave running.
inline bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

// A test that must leave nothing behind.
class none : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1UL), 0);
    fds_ = open_fds();
    mappings_ = shared_mappings();
  }
  void TearDown() override {
    EXPECT_EQ(open_fds(), fds_);
    EXPECT_EQ(shared_mappings(), mappings_);
    EXPECT_FALSE(has_children());
  }

 private:
  std::size_t fds_{};
  std::size_t mappings_{};
};

}  // namespace leftovers
