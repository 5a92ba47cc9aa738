// SPDX-License-Identifier: MIT
// Included first by what does not compile elsewhere: the first error is then a sentence, and the only one.
#pragma once

#include <parmap/detail/this_system.hpp>

#if !PARMAP_LINUX
#error "parmap: this header needs Linux; on this system include <parmap/parmap.hpp>, and name parmap::threads or serial"
#include "the-compiler-stops-here"
#endif
