// SPDX-License-Identifier: MIT
// The system that this is compiled for: one of PARMAP_LINUX, PARMAP_MACOS and PARMAP_WINDOWS is 1, the others are 0.
// Only detail/system asks for them, and those few headers that leave the engines out that fork.
#pragma once

#if defined(__linux__)
#define PARMAP_LINUX 1
#define PARMAP_MACOS 0
#define PARMAP_WINDOWS 0
#elif defined(__APPLE__)
#define PARMAP_LINUX 0
#define PARMAP_MACOS 1
#define PARMAP_WINDOWS 0
#elif defined(_WIN32)
#define PARMAP_LINUX 0
#define PARMAP_MACOS 0
#define PARMAP_WINDOWS 1
#endif

#if !defined(PARMAP_LINUX) || !defined(__SIZEOF_INT128__)
#error "parmap needs 64-bit Linux, macOS or Windows, and GCC or clang"
#include "the-compiler-stops-here"  // without a missing file it would go on, for thousands of lines of errors
#endif
