// SPDX-License-Identifier: MIT
// task_value: the value of a task of a stream, on its way from the thread that made it to the caller.
#pragma once

#include "interpreter_shutdown.hpp"

#include <Python.h>

#include <utility>

namespace parmap::python {

/// Owns a reference. Any thread may move and destroy it, with the GIL or without.
class task_value {
 public:
  explicit task_value(PyObject* stolen) noexcept : object_(stolen) {}
  task_value(task_value&& other) noexcept : object_(other.release()) {}
  task_value& operator=(task_value&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  task_value(const task_value&) = delete;
  task_value& operator=(const task_value&) = delete;
  ~task_value() {
    if (object_ != nullptr) drop(object_);
  }

  [[nodiscard]] PyObject* release() noexcept { return std::exchange(object_, nullptr); }

 private:
  static void drop(PyObject* object) noexcept {
    if (Py_IsInitialized() == 0) return;
    unless_python_ends([object] {
      const PyGILState_STATE before = PyGILState_Ensure();
      Py_DECREF(object);
      PyGILState_Release(before);
    });
  }

  PyObject* object_;
};

}  // namespace parmap::python
