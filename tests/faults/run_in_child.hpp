// SPDX-License-Identifier: MIT
// Runs a part of a test in a child process, because its effects on the process cannot be undone. Also helpers for such
// parts.
#pragma once

#include "engines.hpp"
#include "leftovers.hpp"
#include "refuse_system_calls.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

// Reads everything until the last process that holds the other end is gone. Returns false if that takes longer than the
// limit.
inline bool read_all(int fd, std::string& into, std::chrono::seconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  char part[1000];
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd one{fd, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&one, 1, static_cast<int>(left.count())) == 0) return false;
    const ssize_t got = ::read(fd, part, sizeof part);
    if (got == 0) return true;
    if (got > 0) into.append(part, static_cast<std::size_t>(got));
  }
}

// Runs body in a child. Returns an empty string if all went well and no child is left, else what went wrong.
inline std::string in_child(const std::function<void()>& body, std::chrono::seconds limit = std::chrono::seconds(60)) {
  int fds[2];
  if (::pipe(fds) != 0) return "pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(fds[0]);
    std::string said;
    try {
      body();
    } catch (const std::exception& error) {
      said = error.what();
      if (said.empty()) said = "an exception";
    } catch (...) {
      said = "an exception";
    }
    if (said.empty() && leftovers::has_children()) said = "children are left";
    const bool sent = ::write(fds[1], said.data(), said.size()) == static_cast<ssize_t>(said.size());
    ::_exit(sent ? 0 : 1);
  }
  ::close(fds[1]);
  std::string said;
  const bool ended = read_all(fds[0], said, limit);
  ::close(fds[0]);
  if (!ended) {
    ::kill(child, SIGKILL);
    said += " it hangs, or somebody is left";
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (said.empty() && WIFSIGNALED(status)) said = std::string("killed by SIG") + ::sigabbrev_np(WTERMSIG(status));
  else if (said.empty() && status != 0) said = "exit status " + std::to_string(WEXITSTATUS(status));
  return said;
}

inline void require(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error("not so: " + what);
}

// Returns the text of what `act` throws. Fails the test unless it throws an Expected.
template <class Expected>
std::string thrown_by(const std::function<void()>& act) {
  try {
    act();
  } catch (const Expected& error) {
    return error.what();
  }
  throw std::logic_error("no exception");
}

inline void require_part(const std::string& part, const std::string& whole) {
  require(whole.find(part) != std::string::npos, '"' + part + "\" in \"" + whole + '"');
}

inline int twice(int x) { return 2 * x; }

// Requires that exactly the tasks in `failed` have failed, and that every value is right.
inline void check_all(const parmap::results<int>& all, int n, const std::vector<int>& failed = {}) {
  require(all.size() == static_cast<std::uint64_t>(n), "size");
  std::size_t k = 0;
  for (const parmap::failure& why : all.failures()) {
    require(k < failed.size() && why.index == static_cast<std::uint64_t>(failed[k]), to_string(why));
    ++k;
  }
  require(k == failed.size(), "every culprit is blamed");
  for (int i = 0; i < n; ++i) {
    const int* value = all.get_if(static_cast<std::uint64_t>(i));
    require(value == nullptr || *value == 2 * i, "the value of task " + std::to_string(i));
  }
}
