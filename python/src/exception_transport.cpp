// SPDX-License-Identifier: MIT
#include "exception_transport.hpp"

#include <parmap/detail/results/exception_message.hpp>

#include <string>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// Never freed: after the interpreter has ended they must not be released.
nb::handle describe;
nb::handle describe_unpicklable;
nb::handle raised_by_handler;

failure_kind kind_of(nb::handle error, failure_kind otherwise) {
  return PyErr_GivenExceptionMatches(error.ptr(), PyExc_MemoryError) != 0 ? failure_kind::out_of_memory : otherwise;
}

// If Python cannot describe the exception, the message is the name of its type.
[[noreturn]] void throw_described(const nb::object& error, failure_kind kind, const nb::object& packed) {
  char* bytes = nullptr;
  Py_ssize_t size = 0;
  if (packed.is_valid() && PyBytes_AsStringAndSize(packed.ptr(), &bytes, &size) == 0)
    throw detail::foreign_exception{kind, std::string(bytes, static_cast<std::size_t>(size))};
  PyErr_Clear();  // of describe(); in a worker, where it is told that the task failed
  throw detail::foreign_exception{kind, Py_TYPE(error.ptr())->tp_name};
}

}  // namespace

void install_exceptions(nb::object as_bytes, nb::object unpicklable, nb::object by_handler) noexcept {
  describe = as_bytes.release();
  describe_unpicklable = unpicklable.release();
  raised_by_handler = by_handler.release();
}

nb::object take_exception() {
  PyObject* type = nullptr;
  PyObject* it = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &it, &traceback);
  PyErr_NormalizeException(&type, &it, &traceback);
  if (traceback != nullptr) PyException_SetTraceback(it, traceback);
  Py_XDECREF(type);
  Py_XDECREF(traceback);
  return nb::steal(it);
}

nb::object forget_failure() noexcept {
  nb::object error = take_exception();
  if (!error.is_valid()) return {};
  const nb::object theirs = nb::steal(PyObject_CallOneArg(raised_by_handler.ptr(), error.ptr()));
  if (!theirs.is_valid()) PyErr_Clear();  // of raised_by_handler: then the exception is kept rather than lost
  return theirs.ptr() == Py_False ? nb::object() : error;
}

void forget_exception() noexcept {
  const bool ctrl_c = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) != 0;
  PyErr_Clear();
  if (ctrl_c) PyErr_SetInterrupt();
}

void throw_packed() {
  const nb::object error = take_exception();
  throw_described(error, kind_of(error, failure_kind::threw),
                  nb::steal(PyObject_CallOneArg(describe.ptr(), error.ptr())));
}

void throw_in_words(nb::handle error) {
  std::string words = Py_TYPE(error.ptr())->tp_name;
  const nb::object text = nb::steal(PyObject_Str(error.ptr()));
  const char* const said = text.is_valid() ? PyUnicode_AsUTF8(text.ptr()) : nullptr;
  if (said == nullptr) PyErr_Clear();  // of its __str__; the exception itself is kept in `raised`
  else if (*said != '\0') words.append(": ").append(said);
  throw detail::foreign_exception{kind_of(error, failure_kind::threw), std::move(words)};
}

void throw_unpicklable(PyObject* result) {
  nb::object error = take_exception();
  if (!error.is_valid()) error = nb::borrow(Py_None);  // the pickler returned something other than bytes
  throw_described(error, kind_of(error, failure_kind::unencodable),
                  nb::steal(PyObject_CallFunctionObjArgs(describe_unpicklable.ptr(), error.ptr(), result, nullptr)));
}

void throw_unreadable() { throw_unreadable(take_exception()); }

void throw_unreadable(const nb::object& error) {
  throw_described(error, kind_of(error, failure_kind::unencodable),
                  nb::steal(PyObject_CallFunctionObjArgs(describe_unpicklable.ptr(), error.ptr(), nullptr)));
}

}  // namespace parmap::python
