// SPDX-License-Identifier: MIT
// The engine serial: every task in the calling thread, one after the other.
#include "python_map.hpp"
#include "recorder.hpp"
#include "serial_worker.hpp"

#include <cstdint>
#include <optional>
#include <stop_token>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

[[noreturn]] void throw_again(const nb::object& error) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw nb::python_error();
}

// Lets the exception of a task pass untouched.
class serial_calls {
 public:
  serial_calls(const request& asked, nb::handle task) : values_(asked.values.ptr()), call_(task) {}

  static constexpr bool tells_of_tasks = true;

  struct scope {
    scope(serial_calls&, context&) {}
  };

  void run(std::uint64_t i, context& self, call_plan::cursor& at) const {
    PyObject* const made = call_(i, self, at);
    if (PyList_SetItem(values_, static_cast<Py_ssize_t>(i), made) != 0) throw nb::python_error();
  }

 private:
  PyObject* values_;
  serial_call call_;
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
  serial_worker worker(asked.setup);
  serial_calls calls(asked, task);
  map_observers observers(asked.times, asked.recorder);
  const auto all = [&] {
    try {
      return serial.run(python_tasks<void, serial_calls>(plan, calls, observers.first()), chosen);
    } catch (...) {
      observers.tell_times(asked.measured);  // after Ctrl-C there are results
      throw;
    }
  }();
  observers.tell_times(asked.measured);
  worker.leave();
  watch.keep_ctrl_c_off();
  add_failures(asked, all.failures());
  return watch.interrupt();
}

}  // namespace parmap::python
