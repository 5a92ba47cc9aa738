// SPDX-License-Identifier: MIT
// forced_unwind: by what glibc unwinds a thread at pthread_cancel and pthread_exit.
#pragma once

#include <parmap/detail/config.hpp>

#if __has_include(<bits/cxxabi_forced.h>)
#include <cxxabi.h>
#endif

namespace parmap::inline PARMAP_ABI::detail {

// Who catches it, by its type or as anything, has to let it pass: glibc ends the program otherwise. Functions that
// catch it are PARMAP_CATCHES_FORCED_UNWIND: there is no such object, and UBSan would report the reference.
#define PARMAP_CATCHES_FORCED_UNWIND __attribute__((no_sanitize("null")))
#if __has_include(<bits/cxxabi_forced.h>)
using forced_unwind = abi::__forced_unwind;
#else
class forced_unwind {};  // libc++ has no name for it
#endif

}  // namespace parmap::inline PARMAP_ABI::detail
