// SPDX-License-Identifier: MIT
// What the engines share: the lookout of the calling thread, and the report of failures.
#include "python_map.hpp"

#include <string>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

bool lookout::no_interrupt() noexcept {
  const call_out here;
  if (PyErr_CheckSignals() != 0) set_interrupt(take_exception());
  if (nb::object strayed = async_exception::of_this_thread().take_strayed(); strayed.is_valid())
    set_interrupt(std::move(strayed));
  if (const nb::handle type = async_exception::of_this_thread().take(); type.is_valid()) {
    nb::object made = nb::steal(PyObject_CallNoArgs(type.ptr()));
    set_interrupt(made.is_valid() ? std::move(made) : take_exception());
  }
  return !interrupted();
}

void lookout::keep_ctrl_c_off() noexcept {
  // A second try, because Ctrl-C may arrive during the first call.
  for (int tries = 0; tries < 2; ++tries) {
    if (tell_ctrl_c("keep_off")) return;
    set_interrupt(take_exception());
  }
}

void lookout::let_ctrl_c_in() noexcept {
  if (!tell_ctrl_c("let_in")) set_interrupt(take_exception());
}

bool lookout::tell_ctrl_c(const char* what) noexcept {
  const call_out here;
  return nb::steal(unless_python_ends([&] { return PyObject_CallMethod(ctrl_c_.ptr(), what, nullptr); })).is_valid();
}

bool lookout::insisted(const nb::object& error) {
  const call_out here;
  if (!nb::cast<bool>(ctrl_c_.attr("has_raised")(error))) return false;
  set_interrupt(error);
  return true;
}

bool lookout::asked_to_stop() const {
  const call_out here;
  return !stop_.is_none() && nb::cast<bool>(stop_.attr("is_set")());
}

void lookout::show(std::uint64_t done, std::uint64_t failed, const std::optional<running_longest>& longest) {
  if (recorder_ != nullptr) recorder_->write_texts();
  if (report_.is_none()) return;
  const call_out here;
  const nb::object count = nb::int_(done);
  nb::object total = nb::none();
  if (total_) total = nb::int_(*total_);
  const nb::object lost = nb::int_(failed);
  nb::object slow = nb::none();
  if (longest) slow = nb::make_tuple(longest->task, longest->spent.count());
  const auto call = [&] {
    return PyObject_CallFunctionObjArgs(report_.ptr(), count.ptr(), total.ptr(), lost.ptr(), slow.ptr(), nullptr);
  };
  if (nb::steal(unless_python_ends(call)).is_valid()) return;
  if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) == 0) throw nb::python_error();
  set_interrupt(take_exception());
}

nb::object told_of(const failure& why) {
  const std::string_view kind = to_string(why.kind);
  return nb::make_tuple(why.index, nb::str(kind.data(), kind.size()), nb::bytes(why.message.data(), why.message.size()),
                        why.attempts, why.status);
}

void add_failures(const request& asked, const failure_list& failures) {
  for (const failure& why : failures)
    if (PyList_Append(asked.told.ptr(), told_of(why).ptr()) != 0) throw nb::python_error();
}

}  // namespace parmap::python
