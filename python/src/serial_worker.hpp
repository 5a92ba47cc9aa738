// SPDX-License-Identifier: MIT
// serial_worker: the calling thread as the only worker of a map or stream on serial, and the calls of its tasks.
#pragma once

#include "interpreter_shutdown.hpp"
#include "python_tasks.hpp"

#include <nanobind/nanobind.h>

#include <cstdint>
#include <utility>

namespace parmap::python {

// The calling thread as the only worker. Also ended if a task raises.
class serial_worker {
 public:
  explicit serial_worker(nanobind::handle make) {
    if (make.is_none()) return;
    setup_ = make();
    setup_.attr("enter")();
    entered_ = true;
  }
  serial_worker(const serial_worker&) = delete;
  serial_worker& operator=(const serial_worker&) = delete;
  ~serial_worker() {
    try {
      leave();
    } catch (nanobind::python_error& error) {
      error.discard_as_unraisable("parmap: finish, after a task has raised");
    }
  }

  void leave() {
    if (std::exchange(entered_, false)) setup_.attr("leave")();
  }

 private:
  nanobind::object setup_;
  bool entered_{};
};

// Tells a parmap._task.Running of each task before it begins.
class serial_call {
 public:
  explicit serial_call(nanobind::handle task) : task_(task) {}

  // A new reference. Throws nanobind::python_error.
  PyObject* operator()(std::uint64_t i, const context& self, call_plan::cursor& at) const {
    tell(index_, PyLong_FromUnsignedLongLong(i));
    tell(attempt_, PyLong_FromUnsignedLong(self.attempt()));
    tell(generator_, Py_NewRef(Py_None));
    PyObject* const made = unless_python_ends([&] { return at.call(); });
    if (made == nullptr) throw nanobind::python_error();
    return made;
  }

 private:
  void tell(const nanobind::object& name, PyObject* stolen) const {
    const nanobind::object value = nanobind::steal(stolen);
    if (!value.is_valid() || PyObject_SetAttr(task_.ptr(), name.ptr(), value.ptr()) != 0)
      throw nanobind::python_error();
  }

  nanobind::handle task_;
  nanobind::object index_{nanobind::steal(PyUnicode_InternFromString("index"))};
  nanobind::object attempt_{nanobind::steal(PyUnicode_InternFromString("attempt"))};
  nanobind::object generator_{nanobind::steal(PyUnicode_InternFromString("generator"))};
};

}  // namespace parmap::python
