// SPDX-License-Identifier: MIT
// Who belongs to whom among processes, and the end of all that one has started.
#pragma once

#include <parmap/detail/process.hpp>
#include <parmap/detail/step.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

namespace parmap::detail {

inline void add_children(pid_t parent, std::vector<pid_t>& all) {
  std::error_code ignored;  // gone, or no /proc: then there is nothing to be found
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(parent) + "/task", ignored)) {
    std::ifstream children(thread.path() / "children");
    for (pid_t child{}; children >> child;) all.push_back(child);
  }
}

inline bool is_zombie(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(stat, text);
  const auto name_ends = text.rfind(") ");
  return name_ends == std::string::npos || text[name_ends + 2] == 'Z' || text[name_ends + 2] == 'X';
}

// Whether that thread belongs to the process `family` or is a child of it; true where /proc does not tell.
inline bool is_of_family(pid_t thread, pid_t family) noexcept {
  const file_descriptor own(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  if (own.get() < 0) return true;
  std::array<char, 64> path{};
  static_cast<void>(std::snprintf(path.data(), path.size(), "/proc/%d/status", thread));
  const file_descriptor status(::open(path.data(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text{};
  if (status.get() < 0 || ::read(status.get(), text.data(), text.size() - 1) <= 0) return false;
  const auto said = [&text](const char* name) {
    const char* const line = std::strstr(text.data(), name);
    return line == nullptr ? -1 : std::strtol(line + std::strlen(name), nullptr, 10);
  };
  return said("\nTgid:") == family || said("\nPPid:") == family;
}

// SIGKILL to every living descendant, until none is left. The root is stopped and is the subreaper of its tree, so that
// orphans stay below it and the dead stay unreaped, their numbers their own. Without /proc nothing is found.
inline void kill_descendants(pid_t root) {
  constexpr int rounds = 100;  // against something that forks faster than it can be killed
  for (int round = 0; round < rounds; ++round) {
    std::vector<pid_t> all;
    add_children(root, all);
    for (std::size_t k = 0; k < all.size(); ++k) add_children(all[k], all);
    bool any = false;
    for (const pid_t each : all) {
      if (is_zombie(each)) continue;
      step("descendants", moment::before);
      if (::kill(each, SIGKILL) == 0) any = true;
      step("descendants", moment::after);
    }
    if (!any) return;
  }
}

}  // namespace parmap::detail
