// SPDX-License-Identifier: MIT
// The signal mask of pool threads: idle they block what is for the caller's threads, in a task they have the caller's
// mask.
#pragma once

#include <parmap/detail/config.hpp>

#include <signal.h>

#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Blocks all signals in the calling thread while it lives, for threads made meanwhile to inherit; but not those that a
// fault raises.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all{};
    ::sigfillset(&all);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) ::sigdelset(&all, fault);
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

// While it lives, the thread has the mask its process would have: tasks run so, and what they start inherits it.
class outer_mask_scope {
 public:
  outer_mask_scope() noexcept {
    if (const auto& mask = outer_signal_mask()) changed_ = ::pthread_sigmask(SIG_SETMASK, &*mask, &before_) == 0;
  }
  outer_mask_scope(const outer_mask_scope&) = delete;
  outer_mask_scope& operator=(const outer_mask_scope&) = delete;
  ~outer_mask_scope() {
    if (changed_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t before_{};
  bool changed_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
