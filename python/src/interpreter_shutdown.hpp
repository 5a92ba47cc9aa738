// SPDX-License-Identifier: MIT
// What a thread does that asks for the GIL after the interpreter has begun to shut down.
#pragma once

#include <parmap/detail/system/forced_unwind.hpp>

#include <unistd.h>

namespace parmap::python {

/// For code that asks for the GIL, as every call of Python code does. During shutdown the interpreter ends threads that
/// ask for it by pthread_exit, whose unwinding must not reach the engines' frames. Such a thread may run a task of
/// threads that Ctrl-C has left behind. It waits here until the process ends.
template <class Act>
decltype(auto) unless_python_ends(const Act& act) {
  try {
    return act();
  } catch (const detail::forced_unwind&) {
    for (;;) ::pause();
  }
}

}  // namespace parmap::python
