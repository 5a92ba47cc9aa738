// SPDX-License-Identifier: MIT
// What every header needs first: the language, the two forms of the library, and the namespace that tells them apart.
#pragma once

#if __cplusplus < 202002L
#error "parmap needs C++20: compile with -std=c++20 or later"
#include "the-compiler-stops-here"  // without a missing file it would go on, for thousands of lines of errors
#endif

#include <parmap/detail/this_system.hpp>
#include <parmap/version.hpp>

// One set of sources, two forms. Inline (the default): every function is inline, and the headers are all there is.
// Compiled (PARMAP_COMPILED, which the CMake target parmap::parmap and pkg-config set): headers only declare what does
// not depend on f, its axes or its result type; libparmap has the bodies, which stand in the files *.inl.hpp.
#define PARMAP_JOINED_(a, b, c, d, e, f) a##b##c##d##e##f
#define PARMAP_JOINED(a, b, c, d, e, f) PARMAP_JOINED_(a, b, c, d, e, f)
#ifdef PARMAP_COMPILED
#define PARMAP_INLINE
// Version 0.1: the same for all patches of it, as is the name of the shared library.
#define PARMAP_ABI PARMAP_JOINED(v, PARMAP_VERSION_MAJOR, _, PARMAP_VERSION_MINOR, , )
#else
#define PARMAP_INLINE inline
// Two libraries of one process may contain different versions: none of them uses a function of the other's.
#define PARMAP_ABI                                                                                                     \
  PARMAP_JOINED(v, PARMAP_VERSION_MAJOR, _, PARMAP_VERSION_MINOR, _,                                                   \
                PARMAP_JOINED(PARMAP_VERSION_PATCH, _inline, , , , ))
#endif

#define PARMAP_QUOTED_(a) #a
#define PARMAP_QUOTED(a) PARMAP_QUOTED_(a)
#define PARMAP_ABI_TEXT PARMAP_QUOTED(PARMAP_ABI)

// All of parmap lies in `namespace parmap::inline PARMAP_ABI`. (Not in a `namespace parmap::detail` opened after it:
// g++ goes on with the one inside, as CWG 2061 says, clang begins another.)

// What headers use of a shared libparmap (which sets PARMAP_SHARED for its users, too); all else is hidden in it.
#ifdef PARMAP_SHARED
#define PARMAP_API __attribute__((visibility("default")))
#else
#define PARMAP_API
#endif
