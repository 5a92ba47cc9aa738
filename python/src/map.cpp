// SPDX-License-Identifier: MIT
// The parts that engines share, and serial.
#include "map.hpp"

#include <string>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

bool lookout::no_interrupt() noexcept {
  if (PyErr_CheckSignals() != 0) set_interrupt(take_exception());
  if (const nb::handle type = disturbance::of_this_thread().take(); type.is_valid()) {
    nb::object made = nb::steal(PyObject_CallNoArgs(type.ptr()));
    set_interrupt(made.is_valid() ? std::move(made) : take_exception());
  }
  return !interrupted();
}

void lookout::keep_ctrl_c_off() noexcept {
  // Once more, as Ctrl-C may come just before.
  for (int tries = 0; tries < 2; ++tries) {
    if (tell_ctrl_c("keep_off")) return;
    set_interrupt(take_exception());
  }
}

void lookout::let_ctrl_c_in() noexcept {
  if (!tell_ctrl_c("let_in")) set_interrupt(take_exception());
}

bool lookout::tell_ctrl_c(const char* what) noexcept {
  return nb::steal(unless_python_ends([&] { return PyObject_CallMethod(ctrl_c_.ptr(), what, nullptr); })).is_valid();
}

bool lookout::insisted(const nb::object& error) {
  if (!nb::cast<bool>(ctrl_c_.attr("insisted"))) return false;
  set_interrupt(error);
  return true;
}

void lookout::show(std::uint64_t done) {
  if (report_.is_none()) return;
  const nb::object count = nb::int_(done);
  const nb::object total = nb::int_(total_);
  const auto call = [&] { return PyObject_CallFunctionObjArgs(report_.ptr(), count.ptr(), total.ptr(), nullptr); };
  if (nb::steal(unless_python_ends(call)).is_valid()) return;
  if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) == 0) throw nb::python_error();
  set_interrupt(take_exception());
}

void add_failures(const request& asked, const failure_list& failures) {
  for (const failure& why : failures) {
    const std::string_view kind = to_string(why.kind);
    const nb::object told = nb::make_tuple(why.index, nb::str(kind.data(), kind.size()),
                                           nb::bytes(why.message.data(), why.message.size()), why.attempts, why.status);
    if (PyList_Append(asked.told.ptr(), told.ptr()) != 0) throw nb::python_error();
  }
}

namespace {

[[noreturn]] void throw_again(const nb::object& error) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw nb::python_error();
}

// The exception of a task passes untouched.
class serial_calls {
 public:
  explicit serial_calls(const request& asked) : values_(asked.values.ptr()) {}

  struct scope {
    scope(serial_calls&, context&) {}
  };

  void run(std::uint64_t i, context&, call_plan::cursor& at) const {
    PyObject* const made = unless_python_ends([&] { return at.call(); });
    if (made == nullptr || PyList_SetItem(values_, static_cast<Py_ssize_t>(i), made) != 0) throw nb::python_error();
  }

 private:
  PyObject* values_;
};

}  // namespace

nb::object run_serial(const request& asked) {
  const call_plan plan(asked.func, asked.axes, asked.fargs);
  lookout watch(asked, plan.size());
  options chosen = asked.chosen;
  chosen.reporter = [&watch](const progress& now) {
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    watch.show(now.done());
    if (watch.interrupted()) throw_again(watch.interrupt());
  };
  if (!asked.init.is_none()) asked.init();
  serial_calls calls(asked);
  const auto all = serial.run(work<void, serial_calls>(plan, calls), chosen);
  watch.keep_ctrl_c_off();
  add_failures(asked, all.failures());
  return watch.interrupt();
}

}  // namespace parmap::python
