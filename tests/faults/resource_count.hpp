// SPDX-License-Identifier: MIT
// Counts what this process holds, so that a test can detect growth over many maps.
#pragma once

#include "leftovers.hpp"

#include <malloc.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

namespace resources {

// The living children and zombies of one thread, or of all threads.
inline std::vector<pid_t> children_of_thread(const std::filesystem::path& thread) {
  std::ifstream file(thread / "children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}
inline std::vector<pid_t> children() {
  std::vector<pid_t> all;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    std::ranges::copy(children_of_thread(thread.path()), std::back_inserter(all));
  return all;
}

inline std::size_t threads() {
  const std::filesystem::directory_iterator all("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

inline std::size_t mapping_lines() {
  std::ifstream maps("/proc/self/maps");
  return static_cast<std::size_t>(
      std::count(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>(), '\n'));
}

inline std::size_t resident_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (std::size_t kb{}; word == "VmRSS:" && status >> kb) return kb;
  return 0;
}

struct count {
  std::size_t fds{}, mappings{}, shared_mappings{}, threads{}, children{}, allocated_kb{}, resident_kb{};

  friend std::ostream& operator<<(std::ostream& out, const count& it) {
    return out << it.fds << " fds, " << it.mappings << " mappings (" << it.shared_mappings << " shared), " << it.threads
               << " threads, " << it.children << " children, " << it.allocated_kb << " kB allocated, " << it.resident_kb
               << " kB resident";
  }
};

// Counts everything, after malloc has returned its unused memory to the system.
inline count now() {
  ::malloc_trim(0);
  return {leftovers::open_fds(),         mapping_lines(), leftovers::shared_mappings(), threads(), children().size(),
          ::mallinfo2().uordblks / 1024, resident_kb()};
}

// How much a count may rise without being growth: what malloc, the C library and threads keep for later use.
struct allowance {
  std::size_t mappings, threads, allocated_kb, resident_kb;
};

// Returns an empty string, or what has grown.
inline std::string growth(const count& before, const count& after, const allowance& more) {
  std::string what;
  const auto compare = [&what](const char* name, std::size_t then, std::size_t now, std::size_t allowed) {
    if (now > then + allowed)
      what += std::string(what.empty() ? "" : "; ") + name + ": " + std::to_string(then) + " before, " +
              std::to_string(now) + " after";
  };
  compare("fds", before.fds, after.fds, 0);
  compare("shared mappings", before.shared_mappings, after.shared_mappings, 0);
  compare("children", before.children, after.children, 0);
  compare("mappings", before.mappings, after.mappings, more.mappings);
  compare("threads", before.threads, after.threads, more.threads);
#if !defined(__SANITIZE_ADDRESS__)  // ASan keeps freed memory, and mallinfo2 does not count there
  compare("kB allocated", before.allocated_kb, after.allocated_kb, more.allocated_kb);
  compare("kB resident", before.resident_kb, after.resident_kb, more.resident_kb);
#endif
  return what;
}

}  // namespace resources
