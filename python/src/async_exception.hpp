// SPDX-License-Identifier: MIT
// What one thread raises in another: never where nobody could hear it, as in a hook of a fork.
#pragma once

#include <nanobind/nanobind.h>

#include <utility>

namespace parmap::python {

/// Of one thread; used with the GIL held. While it is inside a map that it supervises itself, what others raise in it
/// waits for that map's next look, which ends the map early.
class async_exception {
 public:
  async_exception(const async_exception&) = delete;
  async_exception& operator=(const async_exception&) = delete;

  /// Valid as long as the calling thread.
  [[nodiscard]] static async_exception& of_this_thread() noexcept {
    static thread_local async_exception mine;
    return mine;
  }

  /// By another thread: an exception of this class is raised at the next bytecode.
  void raise(nanobind::handle type) noexcept {
    if (maps_ > 0) kept_ = type;
    else set(type.ptr());
  }
  void withdraw() noexcept {
    kept_ = {};
    set(nullptr);
  }

  /// A Python function that does nothing, but in whose bytecode an exception can be raised. Before the first map.
  static void install(nanobind::handle hear) noexcept { hear_ = hear; }

  // ---- by the thread itself

  /// It is inside of a map while this lives.
  class kept_off {
   public:
    kept_off() noexcept : here_(of_this_thread()) { ++here_.maps_; }
    kept_off(const kept_off&) = delete;
    kept_off& operator=(const kept_off&) = delete;
    ~kept_off() {
      if (--here_.maps_ == 0 && here_.kept_.is_valid()) here_.raise(std::exchange(here_.kept_, {}));
    }

   private:
    async_exception& here_;
  };

  /// The class of what has been kept off, once.
  [[nodiscard]] nanobind::handle take() noexcept { return std::exchange(kept_, {}); }
  /// In a worker, whose only thread it is: it is in none of the maps of its caller.
  void begin_worker() noexcept {
    maps_ = 0;
    kept_ = {};
  }

 private:
  async_exception() noexcept : thread_(PyThread_get_thread_ident()) {}

  void set(PyObject* type) const noexcept {
    PyThreadState_SetAsyncExc(thread_, type);
#if PY_VERSION_HEX < 0x030D0000
    // From here on every thread looks for an exception until one has been raised, for ever if it was withdrawn,
    // and 3.11 makes no step under sys.settrace meanwhile. So one is raised here; whose the other is sees it with the
    // next GIL.
    PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), PyExc_Exception);
    Py_XDECREF(PyObject_CallNoArgs(hear_.ptr()));
    PyErr_Clear();
#endif
  }

  static inline nanobind::handle hear_;

  unsigned long thread_;
  int maps_{};
  nanobind::handle kept_;  // a class that lives as long as the map that raises it
};

}  // namespace parmap::python
