// SPDX-License-Identifier: MIT
// The signal mask of team threads: they block what is for the caller's threads, but a process forked from one must not.
#pragma once

#include <signal.h>

#include <optional>

namespace parmap::detail {

// Blocks all signals in the calling thread while it lives, for threads made meanwhile to inherit.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all{};
    ::sigfillset(&all);
    blocked_ = ::pthread_sigmask(SIG_SETMASK, &all, &before_) == 0;
  }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;
  ~signals_blocked() {
    if (blocked_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

  [[nodiscard]] const sigset_t& before() const noexcept { return before_; }

 private:
  sigset_t before_{};
  bool blocked_{};
};

// In a thread made under signals_blocked: the mask its process would have without it.
inline std::optional<sigset_t>& outer_signal_mask() noexcept {
  static thread_local std::optional<sigset_t> mask;
  return mask;
}

// In a process forked from any thread.
inline void restore_signal_mask() noexcept {
  if (const auto& mask = outer_signal_mask()) ::pthread_sigmask(SIG_SETMASK, &*mask, nullptr);
}

}  // namespace parmap::detail
