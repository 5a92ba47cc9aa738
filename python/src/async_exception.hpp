// SPDX-License-Identifier: MIT
// Raises an exception in another thread, but never where it would be lost, such as in a hook of a fork.
#pragma once

#include "exception_transport.hpp"

#include <nanobind/nanobind.h>

#include <memory>
#include <utility>

namespace parmap::python {

/// Of one thread. Use it with an attached thread state (the GIL held, where there is one). While the thread is inside a
/// map that it supervises itself, an exception from another thread is kept until that map checks for it, which ends the
/// map early.
class async_exception {
 public:
  async_exception(const async_exception&) = delete;
  async_exception& operator=(const async_exception&) = delete;

  /// Valid until the calling thread ends.
  [[nodiscard]] static async_exception& of_this_thread() noexcept {
    static thread_local async_exception mine;
    return mine;
  }

  /// Called by another thread: raises an exception of this class at the next bytecode.
  void raise(nanobind::handle type) noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    raise_now(type);
  }
  void withdraw() noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    kept_ = {};
    set(nullptr);
  }

  /// Call once, before the first map. `hear` is a Python function that does nothing; `heard` is the class of an
  /// exception that is raised in its bytecode; `go_on(error)` runs the signal handler in which that was raised instead.
  static void install(nanobind::handle hear, nanobind::handle heard, nanobind::handle go_on) noexcept {
    hear_ = hear;
    heard_ = heard;
    go_on_ = go_on;
  }

  // ---- Called by the thread itself.

  /// While this lives, the thread counts as inside a map.
  class kept_off {
   public:
    kept_off() noexcept : here_(of_this_thread()) {
      const nanobind::ft_lock_guard lock(here_.mutex_);
      ++here_.maps_;
    }
    kept_off(const kept_off&) = delete;
    kept_off& operator=(const kept_off&) = delete;
    ~kept_off() {
      const nanobind::ft_lock_guard lock(here_.mutex_);
      if (--here_.maps_ == 0 && here_.kept_.is_valid()) here_.raise_now(std::exchange(here_.kept_, {}));
    }

   private:
    async_exception& here_;
  };

  /// Returns the class of the exception that was kept, once.
  [[nodiscard]] nanobind::handle take() noexcept {
    const nanobind::ft_lock_guard lock(mutex_);
    return std::exchange(kept_, {});
  }
  /// Returns what a signal handler of this thread has raised while it raised something in another one, once.
  [[nodiscard]] nanobind::object take_strayed() noexcept { return std::move(strayed_); }
  /// Called in a worker's only thread, which is in none of the maps of its caller.
  void begin_worker() noexcept {
    std::construct_at(&mutex_);  // another thread of the caller may have held it at the fork
    maps_ = 0;
    kept_ = {};
  }

 private:
  async_exception() noexcept : thread_(PyThread_get_thread_ident()) {}

  // With the mutex.
  void raise_now(nanobind::handle type) noexcept {
    if (maps_ > 0) kept_ = type;
    else set(type.ptr());
  }
  void set(PyObject* type) const noexcept {
    PyThreadState_SetAsyncExc(thread_, type);
#if PY_VERSION_HEX < 0x030D0000
    // From here on every thread checks for an exception until one has been raised, for ever if it was withdrawn, and
    // 3.11 makes no progress under sys.settrace meanwhile. So this raises one here and clears it; the target thread
    // sees its own when it next gets the GIL.
    // A signal handler may run there first. What it raises is the user's, and kept. It may also meet the exception that
    // is meant for hear(), at its first bytecode: then it runs again.
    PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), heard_.ptr());
    for (int tries = 0; tries < 10; ++tries) {
      if (PyObject* const nothing = PyObject_CallNoArgs(hear_.ptr())) {
        Py_DECREF(nothing);
        break;
      }
      const nanobind::object error = take_exception();
      const bool heard = reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())) == heard_.ptr();
      if (!heard) of_this_thread().keep_strayed(error);
      else if (!nanobind::steal(PyObject_CallOneArg(go_on_.ptr(), error.ptr())).is_valid())
        of_this_thread().keep_strayed(take_exception());
      if (heard) break;
    }
#endif
  }

  void keep_strayed(nanobind::object error) noexcept {
    if (!strayed_.is_valid()) strayed_ = std::move(error);
  }

  static inline nanobind::handle hear_;
  static inline nanobind::handle heard_;
  static inline nanobind::handle go_on_;

  unsigned long thread_;
  nanobind::object strayed_;
  nanobind::ft_mutex mutex_;  // the GIL, where there is one
  int maps_{};                // guarded by the mutex, like kept_
  nanobind::handle kept_;     // a class that lives as long as the map that raises it
};

}  // namespace parmap::python
