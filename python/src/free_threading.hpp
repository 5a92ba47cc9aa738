// SPDX-License-Identifier: MIT
// What differs in a Python without a GIL (PEP 703). There "with the GIL held" means: with an attached thread state.
#pragma once

#include <Python.h>

namespace parmap::python {

#ifdef Py_GIL_DISABLED
inline constexpr bool free_threaded = true;
#else
inline constexpr bool free_threaded = false;
#endif

/// Whether no other thread can change an object while this one runs no bytecode.
[[nodiscard]] inline bool runs_alone() noexcept {
  if constexpr (!free_threaded) return true;
  PyThreadState* const mine = PyThreadState_Get();
  return PyInterpreterState_ThreadHead(PyInterpreterState_Get()) == mine && PyThreadState_Next(mine) == nullptr;
}

/// A new reference to an item. Null if there is no such item: a list has then set an exception, a dict has not.
[[nodiscard]] inline PyObject* item_of_list(PyObject* list, Py_ssize_t i) noexcept {
#ifdef Py_GIL_DISABLED
  return PyList_GetItemRef(list, i);
#else
  return Py_XNewRef(PyList_GetItem(list, i));
#endif
}
[[nodiscard]] inline PyObject* item_of_dict(PyObject* dict, PyObject* key) noexcept {
#ifdef Py_GIL_DISABLED
  PyObject* item = nullptr;
  static_cast<void>(PyDict_GetItemRef(dict, key, &item));
  return item;
#else
  return Py_XNewRef(PyDict_GetItemWithError(dict, key));
#endif
}

}  // namespace parmap::python
