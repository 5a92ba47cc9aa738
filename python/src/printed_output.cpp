// SPDX-License-Identifier: MIT
#include "printed_output.hpp"

#include "exception_transport.hpp"
#include "free_threading.hpp"

#include <exception>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

printed_output& printed_output::of_this_process() {
  static auto* const it = new printed_output;  // never destroyed: it holds objects of the interpreter
  return *it;
}

void printed_output::watch() noexcept {
  // Not by an import, which fails while the interpreter ends; without sys nothing is flushed before the end of the
  // worker.
  PyObject* const sys = PyImport_AddModule("sys");
  sys_ = sys != nullptr ? PyModule_GetDict(sys) : nullptr;
  streams_[0].name = nb::steal(PyUnicode_InternFromString("stdout"));
  streams_[1].name = nb::steal(PyUnicode_InternFromString("stderr"));
  printed_ = false;
  forget_exception();
  if (sys_ == nullptr) return;
  changes_.watch(sys_);
  for (stream& one : streams_)
    if (in_sys(one).ptr() != one.seen.ptr()) look_at(one);  // else it tells since an outer map
}

void printed_output::flush() noexcept {
  if (sys_ == nullptr || (!printed_.load(std::memory_order_relaxed) && !is_silent_ && !changes_.any())) return;
  for (stream& one : streams_) {
    const nb::object now = in_sys(one);
    if (!now.is_valid() || now.is_none()) continue;
    if (now.ptr() != one.seen.ptr()) look_at(one);  // a task has replaced it
    else if (!one.silent && !printed_) continue;
    if (!nb::steal(PyObject_CallMethod(now.ptr(), "flush", nullptr)).is_valid()) forget_exception();  // between tasks
  }
  printed_ = false;
}

nb::object printed_output::in_sys(const stream& one) const noexcept {
  return nb::steal(item_of_dict(sys_, one.name.ptr()));
}

void printed_output::look_at(stream& one) noexcept {
  nb::object now = in_sys(one);
  one.seen = now.is_valid() ? std::move(now) : nb::none();
  one.silent = !one.seen.is_none() && !make_tell(one.seen);
  if (PyObject* const buffer = one.seen.is_none() ? nullptr : PyObject_GetAttrString(one.seen.ptr(), "buffer");
      buffer != nullptr)
    one.silent = !make_tell(nb::steal(buffer)) || one.silent;
  forget_exception();
  is_silent_ = streams_[0].silent || streams_[1].silent;
}

// Puts a function into the stream's own attributes that is found before the `write` of its class. False if it cannot
// be.
bool printed_output::make_tell(nb::handle stream) noexcept {
  try {
    const nb::object write = stream.attr("write");
    stream.attr("write") = nb::cpp_function([this, write](const nb::args& given, const nb::kwargs& named) {
      printed_ = true;
      return write(*given, **named);
    });
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace parmap::python
