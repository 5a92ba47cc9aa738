// SPDX-License-Identifier: MIT
// Python's exceptions on their way through the engines: as bytes out of a worker, as words out of a thread.
#pragma once

#include <nanobind/nanobind.h>

namespace parmap::python {

/// All of these are called with an exception set and the GIL held, and throw detail::foreign_exception; MemoryError
/// makes it out_of_memory.

/// Of a task in a worker: the whole exception, as parmap._errors.describe packs it.
[[noreturn]] void throw_packed();
/// Of a task in this process, where the exception itself is kept elsewhere: what it says.
[[noreturn]] void throw_in_words(nanobind::handle error);
/// The result of a task cannot be pickled.
[[noreturn]] void throw_unpicklable(PyObject* result);
/// The bytes of a result cannot be unpickled.
[[noreturn]] void throw_unreadable();
[[noreturn]] void throw_unreadable(const nanobind::object& error);

/// The exception that is set, normalised, with its traceback; none is set any more.
[[nodiscard]] nanobind::object take_exception();

/// The exception that is set is nobody's business, unless it came from Ctrl-C: then that comes again.
void forget_exception() noexcept;

/// Imports what the above calls: before the first fork, as a worker shall not have to.
void import_exceptions();

}  // namespace parmap::python
