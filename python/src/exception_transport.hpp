// SPDX-License-Identifier: MIT
// How Python's exceptions pass through the engines: as bytes from a worker, as text from a thread.
#pragma once

#include <nanobind/nanobind.h>

namespace parmap::python {

/// All of these are called with an exception set and the GIL held, and throw detail::foreign_exception. For a
/// MemoryError its kind is out_of_memory.

/// For a task in a worker: throws the whole exception, as parmap._errors.describe packs it.
[[noreturn]] void throw_packed();
/// For a task in this process, whose exception object is kept elsewhere: throws only its text.
[[noreturn]] void throw_in_words(nanobind::handle error);
/// For a result that cannot be pickled.
[[noreturn]] void throw_unpicklable(PyObject* result);
/// For bytes of a result that cannot be unpickled.
[[noreturn]] void throw_unreadable();
[[noreturn]] void throw_unreadable(const nanobind::object& error);

/// Clears the exception that is set and returns it, normalised and with its traceback.
[[nodiscard]] nanobind::object take_exception();

/// Discards the exception that is set, of a call whose failure does not matter. If a signal handler has raised it
/// there, it is returned instead, as it is the user's; else nothing is.
[[nodiscard]] nanobind::object forget_failure() noexcept;
/// As forget_failure, where no handler's exception has anywhere to go: in a worker, outside its tasks.
void forget_exception() noexcept;

/// The Python functions that these call. Call it once, before the first map.
void install_exceptions(nanobind::object describe, nanobind::object describe_unpicklable,
                        nanobind::object raised_by_handler) noexcept;

}  // namespace parmap::python
