// SPDX-License-Identifier: MIT
// waiting_thread: a thread that waits for outcomes of a pool: without the GIL, which it takes when there are some.
#pragma once

#include "interpreter_shutdown.hpp"
#include "map_of_thread.hpp"

#include <Python.h>

#include <utility>

namespace parmap::python {

/// Made with the GIL held; it is held again when this is destroyed. In between: take() before Python's objects are
/// used, release() before a wait.
class waiting_thread {
 public:
  waiting_thread() noexcept
      : map_(std::exchange(current_map, {})),
        outer_(std::exchange(current_, this)),
        state_(PyEval_SaveThread()) {}
  waiting_thread(const waiting_thread&) = delete;
  waiting_thread& operator=(const waiting_thread&) = delete;
  ~waiting_thread() {
    take();
    current_ = outer_;
    current_map = map_;
  }

  /// That of this thread, which must have one.
  [[nodiscard]] static waiting_thread& current() noexcept { return *current_; }

  void take() noexcept {
    if (state_ != nullptr) unless_python_ends([this] { PyEval_RestoreThread(std::exchange(state_, nullptr)); });
  }
  void release() noexcept {
    if (state_ == nullptr) state_ = PyEval_SaveThread();
  }

 private:
  map_of_thread map_;  // the pool is no map of this thread
  waiting_thread* outer_;
  PyThreadState* state_;  // null: it has the GIL

  static inline thread_local waiting_thread* current_{};
};

}  // namespace parmap::python
