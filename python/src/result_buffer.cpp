// SPDX-License-Identifier: MIT
#include "result_buffer.hpp"

#include <array>
#include <memory>
#include <new>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// Its own type, made with Python's C API: nanobind reports objects that outlive the interpreter as leaks, but an array
// may live as long as the program.
struct buffer {
  PyObject_HEAD slice bytes;
};

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const slice& bytes = reinterpret_cast<buffer*>(self)->bytes;
  return PyBuffer_FillInfo(view, self, bytes.data(), static_cast<Py_ssize_t>(bytes.size), 0, flags);
}

void deallocate(PyObject* self) {
  slice& bytes = reinterpret_cast<buffer*>(self)->bytes;
  try {
    if (bytes.region != nullptr) give_back(std::move(bytes));
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): it is given back with the region
  }
  std::destroy_at(&bytes);
  PyTypeObject* const type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyTypeObject* type{};

}  // namespace

void install_buffers() {
  std::array<PyType_Slot, 3> slots{{
      {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
      {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
      {0, nullptr},
  }};
  PyType_Spec spec{"parmap._parmap.Buffer", sizeof(buffer), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE, slots.data()};
  type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (type == nullptr) throw nb::python_error();
}

nb::object view_of(slice bytes) {
  const nb::object made = nb::steal(type->tp_alloc(type, 0));
  if (!made.is_valid()) throw nb::python_error();
  ::new (static_cast<void*>(&reinterpret_cast<buffer*>(made.ptr())->bytes)) slice(std::move(bytes));
  nb::object view = nb::steal(PyMemoryView_FromObject(made.ptr()));
  if (!view.is_valid()) throw nb::python_error();
  return view;
}

}  // namespace parmap::python
