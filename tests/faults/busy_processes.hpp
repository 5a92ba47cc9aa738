// SPDX-License-Identifier: MIT
// Busy processes that compete for the cores while a test runs.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

// The children belong to the thread that forks them. PR_SET_PDEATHSIG kills them when that thread ends, so it must
// outlive this object.
class busy_processes {
 public:
  explicit busy_processes(unsigned n) {
    for (unsigned k = 0; k < n; ++k) {
      const pid_t child = ::fork();
      if (child < 0) throw std::system_error(errno, std::generic_category(), "fork of a busy neighbour");
      if (child == 0) be_busy();
      all_.push_back(child);
    }
  }
  busy_processes(busy_processes&& other) noexcept : all_(std::exchange(other.all_, {})) {}
  busy_processes& operator=(busy_processes&& other) noexcept {
    std::swap(all_, other.all_);
    return *this;
  }
  ~busy_processes() {
    for (const pid_t each : all_) ::kill(each, SIGKILL);
    for (const pid_t each : all_)
      while (::waitpid(each, nullptr, 0) < 0 && errno == EINTR) {
      }
  }

  [[nodiscard]] const std::vector<pid_t>& pids() const noexcept { return all_; }

 private:
  [[noreturn]] static void be_busy() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (std::atomic<unsigned> turns{0};; ++turns) {
    }
  }

  std::vector<pid_t> all_;
};
