// SPDX-License-Identifier: MIT
// The end of the interpreter, which threads that a map has left behind may meet.
#pragma once

#include <cxxabi.h>
#include <unistd.h>

namespace parmap::python {

/// For what asks for the GIL, as does every call of Python code. The interpreter ends the threads that ask once it
/// shuts down, by pthread_exit, whose unwinding must not meet the engines' frames; they may belong to a task of threads
/// that Ctrl-C has left behind. The process is about to end; until then such a thread waits.
template <class Act>
decltype(auto) unless_python_ends(const Act& act) {
  try {
    return act();
  } catch (const abi::__forced_unwind&) {
    for (;;) ::pause();
  }
}

}  // namespace parmap::python
