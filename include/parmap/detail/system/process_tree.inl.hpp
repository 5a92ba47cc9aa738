// SPDX-License-Identifier: MIT
// The bodies of process_tree.hpp.
#pragma once

#include <parmap/detail/system/proc_file.hpp>
#include <parmap/detail/system/process_tree.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <dirent.h>
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void add_children(pid_t parent, std::vector<pid_t>& all) {
  const std::string threads = "/proc/" + std::to_string(parent) + "/task/";
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(threads.c_str()), ::closedir);
  if (!folder) return;  // the process is gone, or there is no /proc
  while (const dirent* const thread = ::readdir(folder.get())) {
    if (thread->d_name[0] == '.') continue;
    const std::string children = text_of_file(threads + thread->d_name + "/children");
    char* end = nullptr;
    for (const char* at = children.c_str(); const long child = std::strtol(at, &end, 10); at = end)
      all.push_back(static_cast<pid_t>(child));
  }
}

PARMAP_INLINE bool is_zombie(pid_t pid) {
  const std::string text = text_of_file("/proc/" + std::to_string(pid) + "/stat");
  const auto name_ends = text.rfind(") ");
  return name_ends == std::string::npos || text[name_ends + 2] == 'Z' || text[name_ends + 2] == 'X';
}

PARMAP_INLINE void kill_descendants(pid_t root) {
  if (!proc_is_ours()) return;
  constexpr int rounds = 100;  // a bound, as a process may fork faster than it is killed
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

}  // namespace parmap::inline PARMAP_ABI::detail
