// SPDX-License-Identifier: MIT
// Who belongs to whom among processes, and the end of all that one has started.
#pragma once

#include <parmap/detail/proc_file.hpp>
#include <parmap/detail/step.hpp>

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <cerrno>
#include <cstdio>
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

// Whether that thread belongs to the process `family` or is a child of it; true where nobody can tell.
inline bool is_of_family(pid_t thread, pid_t family) noexcept {
  if (!proc_is_ours()) return true;
  std::array<char, 32> path{};
  static_cast<void>(std::snprintf(path.data(), path.size(), "/proc/%d/status", thread));
  std::array<char, 1024> text{};
  if (!read_file(path.data(), text)) {  // there is none, or it is hidden from us
    if (errno != ENOENT && errno != ESRCH) return true;
    return thread != 0 && (::kill(thread, 0) == 0 || errno != ESRCH);
  }
  return number_after("\nTgid:", text.data()) == family || number_after("\nPPid:", text.data()) == family;
}

// SIGKILL to every living descendant, until none is left. The root is stopped and is the subreaper of its tree, so that
// orphans stay below it and the dead stay unreaped, their numbers their own. Without a /proc of ours nothing is found.
inline void kill_descendants(pid_t root) {
  if (!proc_is_ours()) return;
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
