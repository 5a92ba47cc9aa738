// SPDX-License-Identifier: MIT
// The signal mask of pool threads: while idle they block the process's signals; in a task they have the caller's mask.
#pragma once

#include <parmap/detail/config.hpp>

#include <signal.h>

#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Blocks all signals in the calling thread for the lifetime of the object, so that threads made meanwhile inherit this
// mask. Signals that a fault raises are not blocked.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all{};
    static_cast<void>(sigfillset(&all));  // a macro on macOS, as those below
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT})
      static_cast<void>(sigdelset(&all, fault));
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

// In a thread made under signals_blocked: the mask that it would have without it.
inline std::optional<sigset_t>& outer_signal_mask() noexcept {
  static thread_local std::optional<sigset_t> mask;
  return mask;
}

// Gives the thread the mask that it would have without signals_blocked, for the lifetime of the object. Tasks run with
// this mask, and processes and threads that they start inherit it.
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
