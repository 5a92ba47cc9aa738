// SPDX-License-Identifier: MIT
// The engine serial: every task in the calling thread, one after the other.
#include "python_map.hpp"

#include <cstdint>
#include <stop_token>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

[[noreturn]] void throw_again(const nb::object& error) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw nb::python_error();
}

// The calling thread as the only worker. Also ended if a task raises.
class worker_scope {
 public:
  explicit worker_scope(nb::handle make) {
    if (make.is_none()) return;
    setup_ = make();
    setup_.attr("enter")();
    entered_ = true;
  }
  worker_scope(const worker_scope&) = delete;
  worker_scope& operator=(const worker_scope&) = delete;
  ~worker_scope() {
    try {
      leave();
    } catch (nb::python_error& error) {
      error.discard_as_unraisable("parmap: finish, after a task has raised");
    }
  }

  void leave() {
    if (std::exchange(entered_, false)) setup_.attr("leave")();
  }

 private:
  nb::object setup_;
  bool entered_{};
};

// Lets the exception of a task pass untouched.
class serial_calls {
 public:
  serial_calls(const request& asked, nb::handle task) : values_(asked.values.ptr()), task_(task) {}

  static constexpr bool tells_of_tasks = true;

  struct scope {
    scope(serial_calls&, context&) {}
  };

  void run(std::uint64_t i, context& self, call_plan::cursor& at) const {
    tell(index_, PyLong_FromUnsignedLongLong(i));
    tell(attempt_, PyLong_FromUnsignedLong(self.attempt()));
    tell(generator_, Py_NewRef(Py_None));
    PyObject* const made = unless_python_ends([&] { return at.call(); });
    if (made == nullptr || PyList_SetItem(values_, static_cast<Py_ssize_t>(i), made) != 0) throw nb::python_error();
  }

 private:
  void tell(const nb::object& name, PyObject* stolen) const {
    const nb::object value = nb::steal(stolen);
    if (!value.is_valid() || PyObject_SetAttr(task_.ptr(), name.ptr(), value.ptr()) != 0) throw nb::python_error();
  }

  PyObject* values_;
  nb::handle task_;
  nb::object index_{nb::steal(PyUnicode_InternFromString("index"))};
  nb::object attempt_{nb::steal(PyUnicode_InternFromString("attempt"))};
  nb::object generator_{nb::steal(PyUnicode_InternFromString("generator"))};
};

}  // namespace

nb::object run_serial(const request& asked, nb::handle task) {
  const call_plan plan(asked.func, asked.axes, asked.fargs);
  lookout watch(asked, plan.size());
  options chosen = asked.chosen;
  std::stop_source stop;
  if (!asked.stop.is_none()) chosen.stop = stop.get_token();
  chosen.reporter = [&watch, &stop](const progress& now) {
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (watch.asked_to_stop()) stop.request_stop();
    watch.show(now.done(), now.failed);
    if (watch.interrupted()) throw_again(watch.interrupt());
  };
  worker_scope worker(asked.setup);
  serial_calls calls(asked, task);
  const auto all = serial.run(python_tasks<void, serial_calls>(plan, calls), chosen);
  worker.leave();
  watch.keep_ctrl_c_off();
  add_failures(asked, all.failures());
  return watch.interrupt();
}

}  // namespace parmap::python
