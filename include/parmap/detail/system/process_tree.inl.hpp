// SPDX-License-Identifier: MIT
// The bodies of process_tree.hpp.
#pragma once

#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/proc_file.hpp>
#include <parmap/detail/system/process_tree.hpp>
#include <parmap/detail/system/protocol_step.hpp>

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What /proc/PID/stat says.
struct process_facts {
  char state{};
  pid_t parent{};
  pid_t session{};
  std::uint64_t started{};  // in clock ticks since the system booted

  [[nodiscard]] bool dead() const noexcept { return state == 'Z' || state == 'X'; }
};

PARMAP_INLINE std::optional<process_facts> facts_of(pid_t pid) noexcept {
  std::array<char, 48> path{};
  static_cast<void>(std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid));
  std::array<char, 1024> text{};
  if (!read_file(path.data(), text)) return std::nullopt;
  const char* const name_ends = std::strrchr(text.data(), ')');
  if (name_ends == nullptr || name_ends[1] != ' ') return std::nullopt;
  const char* at = name_ends + 2;
  process_facts facts{.state = *at};
  constexpr int first = 4;  // the parent is field 4; proc(5) counts them
  for (int field = first; field <= 22 && *at != '\0'; ++field) {
    at += std::strcspn(at, " ");
    if (field == 4) facts.parent = static_cast<pid_t>(std::atol(at));
    if (field == 6) facts.session = static_cast<pid_t>(std::atol(at));
    if (field == 22) facts.started = std::strtoull(at, nullptr, 10);
    if (*at == ' ') ++at;
  }
  return facts;
}

PARMAP_INLINE std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> all;
  const std::string threads = "/proc/" + std::to_string(parent) + "/task/";
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(threads.c_str()), ::closedir);
  if (!folder) return all;  // the process is gone, or there is no /proc
  while (const dirent* const thread = ::readdir(folder.get())) {
    if (thread->d_name[0] == '.') continue;
    const std::string children = text_of_file(threads + thread->d_name + "/children");
    char* end = nullptr;
    for (const char* at = children.c_str(); const long child = std::strtol(at, &end, 10); at = end)
      all.push_back(static_cast<pid_t>(child));
  }
  return all;
}

// Where there are no pidfds a process is held by its number alone, and a stranger may get that between a look and a
// kill.
PARMAP_INLINE held_process hold(pid_t pid) noexcept {
  return {pid,
          pidfds_work() ? file_descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) : file_descriptor()};
}
PARMAP_INLINE bool is_held(const held_process& one) noexcept { return one.fd.get() >= 0 || !pidfds_work(); }

PARMAP_INLINE bool has_ended(const held_process& one, std::chrono::milliseconds patience = {}) noexcept {
  if (one.fd.get() >= 0) {
    pollfd it{one.fd.get(), POLLIN, 0};
    return ::poll(&it, 1, static_cast<int>(patience.count())) > 0;
  }
  for (;; --patience) {
    const std::optional<process_facts> facts = facts_of(one.pid);
    if (!facts || facts->dead()) return true;
    if (patience.count() <= 0) return false;
    static_cast<void>(::poll(nullptr, 0, 1));
  }
}

PARMAP_INLINE bool kill_held(const held_process& one) noexcept {
  step("descendants", moment::before);
  const bool reached = one.fd.get() >= 0 ? ::syscall(SYS_pidfd_send_signal, one.fd.get(), SIGKILL, nullptr, 0) == 0
                                         : ::kill(one.pid, SIGKILL) == 0;
  step("descendants", moment::after);
  return reached;
}

// One walk through the tree. Each process is held before it is looked at: if its number then still belongs to a child
// of a parent that is known to be of the tree and to be alive, the process that is held either is that child, or is
// dead and cannot be signalled.
class tree_walk {
 public:
  tree_walk(pid_t root, const descendants_to_end& which) : root_(root), which_(which) { below(root, nullptr, true); }

  // What this walk has killed.
  [[nodiscard]] std::vector<held_process>& killed() noexcept { return killed_; }
  [[nodiscard]] ended_descendants& found() noexcept { return found_; }

 private:
  void below(pid_t parent, const held_process* held, bool chosen) {
    for (const pid_t child : children_of(parent)) {
      held_process it = hold(child);
      if (!is_held(it)) continue;  // it is gone, or there are no descriptors left
      const std::optional<process_facts> facts = facts_of(child);
      if (!facts || facts->parent != parent) continue;
      if (held != nullptr && has_ended(*held)) return;  // what was below it is now below the root
      if (facts->dead()) {
        found_.dead.push_back(std::move(it));
        continue;
      }
      if (std::ranges::find(which_.sessions, facts->session) == which_.sessions.end()) continue;
      const bool end_it = chosen && (parent != root_ || facts->started >= which_.since);
      below(child, &it, end_it);
      if (!end_it) found_.spared.push_back(std::move(it));
      else if (kill_held(it)) killed_.push_back(std::move(it));
    }
  }

  pid_t root_;
  const descendants_to_end& which_;
  std::vector<held_process> killed_;
  ended_descendants found_;
};

PARMAP_INLINE ended_descendants end_descendants(pid_t root, const descendants_to_end& which) {
  if (!proc_is_ours()) return {};
  constexpr int rounds = 100;  // a bound, as a process may fork faster than it is killed
  constexpr std::chrono::milliseconds patience(10);
  for (int round = 0;; ++round) {
    tree_walk walk(root, which);
    for (const held_process& each : walk.killed()) static_cast<void>(has_ended(each, patience));
    if (walk.killed().empty() || round == rounds) return std::move(walk.found());
  }
}

PARMAP_INLINE void end_with_descendants(const held_process& top) noexcept {
  const std::optional<process_facts> facts = facts_of(top.pid);
  if (!facts || has_ended(top)) return;  // in this order: the facts are about `top`
  try {
    static_cast<void>(end_descendants(top.pid, {.sessions = {facts->session, facts->session}}));
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the kill below does not depend on it
  }
  static_cast<void>(kill_held(top));
}

PARMAP_INLINE void reap_adopted(std::vector<held_process>& all, std::chrono::milliseconds patience) noexcept {
  std::erase_if(all, [patience](const held_process& each) {
    static_cast<void>(has_ended(each, patience));
    siginfo_t info{};
    const int got = each.fd.get() >= 0 ? ::waitid(P_PIDFD, static_cast<id_t>(each.fd.get()), &info, WEXITED | WNOHANG)
                                       : ::waitid(P_PID, static_cast<id_t>(each.pid), &info, WEXITED | WNOHANG);
    return got != 0 || info.si_pid != 0;
  });
}

PARMAP_INLINE void drop_ended(std::vector<held_process>& all) noexcept {
  std::erase_if(all, [](const held_process& each) { return has_ended(each); });
}

PARMAP_INLINE bool adopts_orphans() noexcept {
  int subreaper = 0;
  return ::getpid() == 1 || (::prctl(PR_GET_CHILD_SUBREAPER, &subreaper) == 0 && subreaper != 0);
}

PARMAP_INLINE bool has_children() noexcept {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

PARMAP_INLINE std::uint64_t start_time(std::uint64_t monotonic) noexcept {
  const auto ns = [](clockid_t which) {
    timespec now{};
    static_cast<void>(::clock_gettime(which, &now));
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
  };
  const std::uint64_t since_boot = ns(CLOCK_BOOTTIME);  // read first, so that the difference is never too large
  const std::uint64_t asleep = since_boot - std::min(since_boot, ns(CLOCK_MONOTONIC));
  const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return (monotonic + asleep) / (1'000'000'000 / ticks_per_second);
}

}  // namespace parmap::inline PARMAP_ABI::detail
