// SPDX-License-Identifier: MIT
// Included first by what does not compile elsewhere: the first error is then a sentence, and the only one.
#pragma once

#if !defined(__linux__) || !defined(__SIZEOF_INT128__)
#error "parmap needs 64-bit Linux; serial, threads and async are to come to other systems later"
#include "the-compiler-stops-here"
#endif
