// SPDX-License-Identifier: MIT
// Compiles the folder reduction of libparmap: the memory of accumulators, what failures say about combining.
#include <parmap/detail/config.hpp>
#include <parmap/detail/reduction/combining_text.inl.hpp>

#if PARMAP_LINUX
#include <parmap/detail/reduction/accumulator_memory.inl.hpp>
#endif
