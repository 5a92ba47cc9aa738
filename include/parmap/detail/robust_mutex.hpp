// SPDX-License-Identifier: MIT
// A lock in shared memory that tells the next owner if the last one died inside.
#pragma once

#include <parmap/detail/damage.hpp>
#include <parmap/detail/process_tree.hpp>
#include <parmap/detail/step.hpp>

#include <linux/futex.h>
#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <system_error>

namespace parmap::detail {

// Lives in memory shared by the processes that use it.
class robust_mutex {
 public:
  // What it looked like when it was locked.
  struct locked {
    pthread_mutex_t mutex;
  };

  robust_mutex() {
    init(mutex_);
    static_cast<void>(usual_kind());
  }
  robust_mutex(const robust_mutex&) = delete;
  robust_mutex& operator=(const robust_mutex&) = delete;
  ~robust_mutex() = default;  // its memory goes with the mapping

  // Locks. If the last owner died inside, calls repair() before anybody else gets in; who dies in repair() leaves the
  // next to call it again. Throws std::runtime_error where the lock itself has been written over: it is not what it
  // was, or is held, but not by the process `family` nor a child of it.
  template <class Repair>
  [[nodiscard]] locked lock(pid_t family, Repair&& repair) {
    step("lock", moment::before);
    const int error = acquire(family);
    step("lock", moment::after);
    if (error == EOWNERDEAD) {
      const locked since{mutex_};
      repair();
      step("consistent", moment::before);
      if (::pthread_mutex_consistent(&mutex_) != 0) {
        unlock(since);
        throw_damaged("its lock changed while it was held");
      }
      step("consistent", moment::after);
    } else if (error != 0) {
      throw_damaged("its lock cannot be had");
    }
    return locked{mutex_};
  }
  void unlock(const locked& since) noexcept {
    step("unlock", moment::before);
    // Between lock and unlock these are the owner's. glibc believes them, and could take this process down.
    mutex_.__data.__kind = since.mutex.__data.__kind;
    mutex_.__data.__owner = since.mutex.__data.__owner;
    mutex_.__data.__list = since.mutex.__data.__list;
    if (((mutex_.__data.__lock ^ since.mutex.__data.__lock) & FUTEX_TID_MASK) != 0)
      mutex_.__data.__lock = static_cast<int>(static_cast<std::uint32_t>(since.mutex.__data.__lock) | FUTEX_WAITERS);
    ::pthread_mutex_unlock(&mutex_);
    step("unlock", moment::after);
  }

 private:
  // It is held for microseconds, and a dead owner leaves it free: who waits so long looks who is said to
  // hold it. Whoever may waits without end, as an owner may be stopped.
  static constexpr long wait_ns = 100'000'000;

  [[nodiscard]] int acquire(pid_t family) {
    if (mutex_.__data.__kind != usual_kind()) return EINVAL;  // glibc must not see another: some of them abort
    int error = ::pthread_mutex_trylock(&mutex_);
    pid_t stranger = -1;
    while (error == EBUSY || error == ETIMEDOUT) {
      timespec until{};
      static_cast<void>(::clock_gettime(CLOCK_MONOTONIC, &until));
      until.tv_nsec += wait_ns;
      until.tv_sec += until.tv_nsec / 1'000'000'000;
      until.tv_nsec %= 1'000'000'000;
      error = ::pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &until);
      if (error != ETIMEDOUT) continue;
      const auto word = static_cast<std::uint32_t>(mutex_.__data.__lock);
      if (word == 0 || (word & FUTEX_OWNER_DIED) != 0) {  // free by now
        stranger = -1;
        continue;
      }
      const auto owner = static_cast<pid_t>(word & FUTEX_TID_MASK);
      if (owner == stranger) return EINVAL;
      stranger = owner != ::gettid() && is_of_family(owner, family) ? -1 : owner;
    }
    return error;
  }

  static int usual_kind() {
    static const int kind = [] {
      pthread_mutex_t another{};
      init(another);
      // The first call binds the symbol, which takes a microsecond: not later, while a task may write over what unlock
      // has just restored.
      if (::pthread_mutex_trylock(&another) == 0) ::pthread_mutex_unlock(&another);
      return another.__data.__kind;
    }();
    return kind;
  }
  static void init(pthread_mutex_t& mutex) {
    pthread_mutexattr_t how{};
    check(::pthread_mutexattr_init(&how));
    check(::pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED));
    check(::pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST));
    const int error = ::pthread_mutex_init(&mutex, &how);
    ::pthread_mutexattr_destroy(&how);
    check(error);
  }
  static void check(int error) {
    if (error != 0) throw std::system_error(error, std::generic_category(), "parmap: robust process-shared mutex");
  }

  pthread_mutex_t mutex_{};
};

}  // namespace parmap::detail
