// SPDX-License-Identifier: MIT
// A lock in shared memory that tells the next owner if the last one died inside.
#pragma once

#include <parmap/detail/step.hpp>

#include <pthread.h>

#include <cerrno>
#include <system_error>

namespace parmap::detail {

// Lives in memory shared by the processes that use it.
class robust_mutex {
 public:
  robust_mutex() {
    pthread_mutexattr_t how{};
    check(::pthread_mutexattr_init(&how));
    check(::pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED));
    check(::pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST));
    const int error = ::pthread_mutex_init(&mutex_, &how);
    ::pthread_mutexattr_destroy(&how);
    check(error);
  }
  robust_mutex(const robust_mutex&) = delete;
  robust_mutex& operator=(const robust_mutex&) = delete;
  ~robust_mutex() = default;  // its memory goes with the mapping

  // Locks. If the last owner died inside, calls repair() before anybody else gets in; who dies in repair() leaves the
  // next to call it again.
  template <class Repair>
  void lock(Repair&& repair) {
    step("lock", moment::before);
    const int error = ::pthread_mutex_lock(&mutex_);
    step("lock", moment::after);
    if (error == EOWNERDEAD) {
      repair();
      step("consistent", moment::before);
      check(::pthread_mutex_consistent(&mutex_));
      step("consistent", moment::after);
    } else {
      check(error);
    }
  }
  void unlock() noexcept {
    step("unlock", moment::before);
    ::pthread_mutex_unlock(&mutex_);
    step("unlock", moment::after);
  }

 private:
  static void check(int error) {
    if (error != 0) throw std::system_error(error, std::generic_category(), "parmap: robust process-shared mutex");
  }

  pthread_mutex_t mutex_{};
};

}  // namespace parmap::detail
