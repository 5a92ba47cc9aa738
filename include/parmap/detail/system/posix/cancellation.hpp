// SPDX-License-Identifier: MIT
// cancellation_held_back: keeps pthread_cancel away from code that cannot be unwound.
#pragma once

#include <parmap/detail/config.hpp>

#include <pthread.h>

namespace parmap::inline PARMAP_ABI::detail {

// For its lifetime this thread is not cancelled, but where it is allowed. Without it an ordinary system call (close,
// waitid) could unwind the thread from a destructor, which ends the program.
class cancellation_held_back {
 public:
  cancellation_held_back() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  cancellation_held_back(const cancellation_held_back&) = delete;
  cancellation_held_back& operator=(const cancellation_held_back&) = delete;
  ~cancellation_held_back() { end(); }

  // For good, as in a forked process, where this object is not destroyed.
  void end() const noexcept { ::pthread_setcancelstate(before_, nullptr); }

  // Within its lifetime this thread can be cancelled, if it could be before and if that unwinds it. musl would end it
  // without a destructor, and leave all behind; there it is cancelled later.
  class allowed {
   public:
    explicit allowed([[maybe_unused]] const cancellation_held_back& by) noexcept {
#ifdef __GLIBC__
      ::pthread_setcancelstate(by.before_, nullptr);
#endif
    }
    allowed(const allowed&) = delete;
    allowed& operator=(const allowed&) = delete;
    ~allowed() { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr); }
  };

 private:
  int before_{PTHREAD_CANCEL_ENABLE};
};

}  // namespace parmap::inline PARMAP_ABI::detail
