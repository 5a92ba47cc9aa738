// SPDX-License-Identifier: MIT
// Kills what a stopped process has started.
#pragma once

#include <signal.h>
#include <sys/types.h>

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

// SIGKILL to every living descendant, until none is left. The root is stopped and is the subreaper of its tree, so that
// orphans stay below it and the dead stay unreaped, their numbers their own. Without /proc nothing is found.
inline void kill_descendants(pid_t root) {
  constexpr int rounds = 100;  // against something that forks faster than it can be killed
  for (int round = 0; round < rounds; ++round) {
    std::vector<pid_t> all;
    add_children(root, all);
    for (std::size_t k = 0; k < all.size(); ++k) add_children(all[k], all);
    bool any = false;
    for (const pid_t each : all)
      if (!is_zombie(each) && ::kill(each, SIGKILL) == 0) any = true;
    if (!any) return;
  }
}

}  // namespace parmap::detail
