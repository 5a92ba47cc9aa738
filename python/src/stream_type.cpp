// SPDX-License-Identifier: MIT
#define PY_SSIZE_T_CLEAN
#include "stream_type.hpp"

#include "async_exception.hpp"
#include "exception_transport.hpp"

#include <parmap/detail/system/fork_generation.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// Made with Python's C API, as result_buffer's type is: a stream may live until the interpreter ends.
struct stream_object {
  PyObject_HEAD python_stream* stream;  // null before it begins and once it has ended
  stream_form form;
  bool begun;
  std::atomic<bool> busy;         // a thread reads or closes it
  std::atomic<bool> close_asked;  // while it was busy
  std::uint64_t generation;       // the stream belongs to this process, and not to one that was forked from it
  std::uint64_t seed;
  map_summary last;  // when it has ended
};

PyTypeObject* outcome_type{};

stream_object& of(PyObject* self) noexcept { return *reinterpret_cast<stream_object*>(self); }

// Keeps the exception that is set, and sets it again.
class exception_aside {
 public:
  exception_aside() noexcept { PyErr_Fetch(&type_, &value_, &trace_); }
  exception_aside(const exception_aside&) = delete;
  exception_aside& operator=(const exception_aside&) = delete;
  ~exception_aside() {
    if (type_ == nullptr) return;  // then what has been raised meanwhile counts
    if (PyErr_Occurred() != nullptr) PyErr_WriteUnraisable(nullptr);
    PyErr_Restore(type_, value_, trace_);
  }

 private:
  PyObject* type_{};
  PyObject* value_{};
  PyObject* trace_{};
};

// One thread at a time may use the stream.
class only_user {
 public:
  explicit only_user(stream_object& it) noexcept : it_(it), is_(!it.busy.exchange(true)) {}
  only_user(const only_user&) = delete;
  only_user& operator=(const only_user&) = delete;
  ~only_user() {
    if (is_) it_.busy.store(false);
  }
  [[nodiscard]] bool is() const noexcept { return is_; }

 private:
  stream_object& it_;
  bool is_;
};

// Inside a catch block: sets the exception that Python gets.
void set_python_error() noexcept {
  try {
    throw;
  } catch (nb::python_error& error) {
    error.restore();
  } catch (const std::system_error& error) {
    const nb::object why = nb::steal(Py_BuildValue("(is)", error.code().value(), error.what()));
    if (why.is_valid()) PyErr_SetObject(PyExc_OSError, why.ptr());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "parmap: a stream has ended for an unknown reason");
  }
}

// Ends the stream, keeps its numbers, and lets the Python class know. What is set stays set; if nothing is, what
// that raises is.
void end(PyObject* self) noexcept {
  stream_object& it = of(self);
  if (it.stream == nullptr) return;
  std::unique_ptr<python_stream> ended(std::exchange(it.stream, nullptr));
  if (it.generation != detail::fork_generation()) {
    static_cast<void>(ended.release());  // its workers and its memory are another process's
    return;
  }
  const exception_aside kept;
  try {
    it.last = ended->summary();
    it.last.causes.clear();
    const call_out here;
    ended.reset();
  } catch (...) {
    set_python_error();
    PyErr_WriteUnraisable(self);
  }
  const call_out here;
  static_cast<void>(nb::steal(PyObject_CallMethod(self, "_ended", nullptr)));
}

nb::object seconds_of(const taken_outcome& got) {
  if (got.seconds) return nb::float_(*got.seconds);
  return nb::none();
}

nb::object made_outcome(const taken_outcome& got, PyObject* task, const nb::object& failure, PyObject* value) {
  const nb::object seconds = seconds_of(got);
  nb::object worker = nb::none();
  if (got.worker) worker = nb::int_(*got.worker);
  const nb::object index = nb::int_(got.index);
  const nb::object attempts = nb::int_(got.attempts);
  const nb::object fields =
      nb::steal(PyTuple_Pack(7, index.ptr(), task, value, failure.ptr(), attempts.ptr(), seconds.ptr(), worker.ptr()));
  if (!fields.is_valid()) throw nb::python_error();
  const nb::object arguments = nb::steal(PyTuple_Pack(1, fields.ptr()));
  if (!arguments.is_valid()) throw nb::python_error();
  nb::object made = nb::steal(PyTuple_Type.tp_new(outcome_type, arguments.ptr(), nullptr));
  if (!made.is_valid()) throw nb::python_error();
  return made;
}

// With the option times: how long the task took.
void tell_time(PyObject* self, const taken_outcome& got, PyObject* task) {
  const nb::object index = nb::int_(got.index);
  const nb::object attempts = nb::int_(got.attempts);
  const nb::object told =
      nb::steal(PyObject_CallMethod(self, "_took", "OOOO", index.ptr(), attempts.ptr(), seconds_of(got).ptr(), task));
  if (!told.is_valid()) throw nb::python_error();
}

// What the caller gets of it; null if that is nothing.
nb::object given(PyObject* self, const taken_outcome& got, nb::object&& value) {
  stream_object& it = of(self);
  if (value.is_valid() && it.form.bare && !it.form.times) return std::move(value);
  const nb::object task = nb::steal(it.stream->task(got.index));
  if (!task.is_valid()) throw nb::python_error();
  if (it.form.times) tell_time(self, got, task.ptr());
  if (value.is_valid() && it.form.bare) return std::move(value);
  if (value.is_valid()) return made_outcome(got, task.ptr(), nb::none(), value.ptr());
  const nb::object failed =
      nb::steal(PyObject_CallMethod(self, "_failed", "OOO", got.failure.ptr(), got.raised.ptr(), task.ptr()));
  if (!failed.is_valid()) throw nb::python_error();
  const nb::object instead = failed[1];
  if (!it.form.bare) return made_outcome(got, task.ptr(), nb::object(failed[0]), instead.ptr());
  return it.form.skips ? nb::object() : instead;
}

// If retry_if has ended the stream, in another process, its exception takes the place of the one that is set.
void raise_error_elsewhere(PyObject* self) noexcept {
  const std::string_view bytes = of(self).stream->error_elsewhere();
  if (bytes.empty()) return;
  PyErr_Clear();  // it says only that there was one
  const call_out here;
  static_cast<void>(nb::steal(
      PyObject_CallMethod(self, "_raise_elsewhere", "y#", bytes.data(), static_cast<Py_ssize_t>(bytes.size()))));
}

enum class found { outcome, nothing_yet, end, error };

// With the right to use the stream. `to`: what the caller gets. `patience` counts anew after each task that is left
// out.
found take(PyObject* self, std::chrono::nanoseconds patience, nb::object& to) noexcept {
  stream_object& it = of(self);
  if (it.stream == nullptr) return found::end;
  if (it.generation != detail::fork_generation()) {
    PyErr_SetString(PyExc_RuntimeError,
                    "parmap: a stream cannot be read in a process that was forked from the one that made it");
    return found::error;
  }
  try {
    for (;;) {
      taken_outcome got;
      switch (it.stream->take(got, patience)) {
        case detail::arrival::end: end(self); return PyErr_Occurred() != nullptr ? found::error : found::end;
        case detail::arrival::nothing_yet: return found::nothing_yet;
        case detail::arrival::outcome: break;
      }
      const call_out here;
      to = given(self, got, nb::steal(got.value));
      if (to.is_valid()) return found::outcome;
    }
  } catch (...) {
    set_python_error();
  }
  raise_error_elsewhere(self);
  end(self);
  return found::error;
}

// `timed_out` is null where there is no limit.
PyObject* next_of(PyObject* self, std::chrono::nanoseconds patience, bool* timed_out) noexcept {
  stream_object& it = of(self);
  const only_user me(it);
  if (!me.is()) {
    PyErr_SetString(PyExc_ValueError, "parmap: this stream is being read, by another thread or by its own input");
    return nullptr;
  }
  nb::object to;
  found what = found::nothing_yet;
  {
    const async_exception::kept_off until_the_end;
    do {
      // A thread that waits for long looks now and then whether another one has closed the stream.
      constexpr std::chrono::milliseconds glance{50};
      what = take(self,
                  timed_out == nullptr ? std::chrono::nanoseconds(glance)
                                       : std::min<std::chrono::nanoseconds>(patience, glance),
                  to);
      if (timed_out != nullptr) patience -= std::min<std::chrono::nanoseconds>(patience, glance);
    } while (what == found::nothing_yet && !it.close_asked.load() &&
             (timed_out == nullptr || patience > patience.zero()));
    if (it.close_asked.load()) end(self);
  }
  if (what == found::nothing_yet && timed_out != nullptr && it.stream != nullptr) *timed_out = true;
  return to.release().ptr();
}

PyObject* iternext(PyObject* self) { return next_of(self, std::chrono::nanoseconds::max(), nullptr); }

// take(seconds) -> outcome; raises StopIteration at the end, TimeoutError if nothing comes in time.
PyObject* take_within(PyObject* self, PyObject* seconds) {
  bool timed_out = false;
  PyObject* made = nullptr;
  if (seconds == Py_None) {
    made = iternext(self);
  } else {
    const double limit = PyFloat_AsDouble(seconds);
    if (limit == -1.0 && PyErr_Occurred() != nullptr) return nullptr;
    if (std::isnan(limit) || limit < 0) {
      PyErr_SetString(PyExc_ValueError, "parmap: timeout must be None or a number of seconds, at least 0");
      return nullptr;
    }
    constexpr double most = 1e9;
    made = next_of(self, std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(limit, most) * 1e9)), &timed_out);
  }
  if (made != nullptr || PyErr_Occurred() != nullptr) return made;
  if (timed_out) PyErr_SetString(PyExc_TimeoutError, "parmap: no outcome has come in time");
  else PyErr_SetNone(PyExc_StopIteration);
  return nullptr;
}

PyObject* shut(PyObject* self, PyObject* /*unused*/) {
  stream_object& it = of(self);
  it.close_asked.store(true);
  if (const only_user me(it); me.is()) end(self);  // else whoever reads it ends it, within 50 ms
  if (PyErr_Occurred() != nullptr) return nullptr;
  return Py_NewRef(Py_None);
}

// counts() -> (tasks that have ended, those with a value, seconds)
PyObject* counts(PyObject* self, PyObject* /*unused*/) {
  stream_object& it = of(self);
  try {
    const map_summary now = it.stream != nullptr ? it.stream->summary() : it.last;
    return nb::make_tuple(now.tasks, now.completed, std::chrono::duration<double>(now.elapsed).count()).release().ptr();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

// element_task(index) -> the arguments of a task, for retry_if
PyObject* task_of(PyObject* self, PyObject* index) {
  const std::uint64_t i = PyLong_AsUnsignedLongLong(index);
  if (PyErr_Occurred() != nullptr) return nullptr;
  if (of(self).stream == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "parmap: this stream has ended");
    return nullptr;
  }
  return of(self).stream->task(i);
}

// note_error(bytes), in the process that watches the workers
PyObject* note_error(PyObject* self, PyObject* bytes) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(bytes, &data, &size) != 0) return nullptr;
  if (of(self).stream != nullptr) of(self).stream->note_error({data, static_cast<std::size_t>(size)});
  return Py_NewRef(Py_None);
}

PyObject* is_over(PyObject* self, void* /*unused*/) {
  return Py_NewRef(of(self).begun && of(self).stream == nullptr ? Py_True : Py_False);
}

PyObject* make(PyTypeObject* type, PyObject* /*arguments*/, PyObject* /*named*/) {
  PyObject* const self = type->tp_alloc(type, 0);
  if (self == nullptr) return nullptr;
  stream_object& it = of(self);
  std::construct_at(&it.busy, false);
  std::construct_at(&it.close_asked, false);
  std::construct_at(&it.last);
  return self;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const stream_object& it = of(self);
  if (it.stream == nullptr || it.generation != detail::fork_generation()) return 0;
  return it.stream->traverse(visit, arg);
}

int clear(PyObject* self) {
  end(self);
  return 0;
}

void finalize(PyObject* self) {
  const exception_aside kept;
  end(self);
  if (PyErr_Occurred() != nullptr) PyErr_WriteUnraisable(self);
}

void deallocate(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  if (type->tp_finalize != nullptr && PyObject_CallFinalizerFromDealloc(self) != 0) return;
  PyObject_GC_UnTrack(self);
  std::destroy_at(&of(self).last);
  type->tp_free(self);
  Py_DECREF(type);
}

}  // namespace

nb::object make_stream_type(nb::object outcome) {
  outcome_type = reinterpret_cast<PyTypeObject*>(outcome.release().ptr());
  static std::array<PyMethodDef, 6> methods{{
      {"take", take_within, METH_O, nullptr},
      {"shut", shut, METH_NOARGS, nullptr},
      {"counts", counts, METH_NOARGS, nullptr},
      {"task_of", task_of, METH_O, nullptr},
      {"note_error", note_error, METH_O, nullptr},
      {nullptr, nullptr, 0, nullptr},
  }};
  static std::array<PyGetSetDef, 2> properties{{
      {"is_over", is_over, nullptr, nullptr, nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  }};
  std::array<PyType_Slot, 11> slots{{
      {Py_tp_new, reinterpret_cast<void*>(make)},
      {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
      {Py_tp_iternext, reinterpret_cast<void*>(iternext)},
      {Py_tp_methods, methods.data()},
      {Py_tp_getset, properties.data()},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_finalize, reinterpret_cast<void*>(finalize)},
      {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
      {0, nullptr},
  }};
  PyType_Spec spec{"parmap._parmap.Stream", sizeof(stream_object), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots.data()};
  nb::object type = nb::steal(PyType_FromSpec(&spec));
  if (!type.is_valid()) throw nb::python_error();
  return type;
}

python_stream& set_stream(nb::handle object, std::unique_ptr<python_stream> stream, stream_form form) {
  stream_object& it = of(object.ptr());
  if (it.begun) throw std::runtime_error("parmap: this stream has begun already");
  it.begun = true;
  it.form = form;
  it.generation = detail::fork_generation();
  it.stream = stream.release();
  return *it.stream;
}

void forget_stream(nb::handle object) noexcept { delete std::exchange(of(object.ptr()).stream, nullptr); }

}  // namespace parmap::python
