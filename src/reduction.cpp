// SPDX-License-Identifier: MIT
// Compiles the folder reduction of libparmap: the memory of accumulators, what failures say about combining, the
// course of a fold with a store.
#include <parmap/detail/config.hpp>
#include <parmap/detail/reduction/combining_text.inl.hpp>
#include <parmap/detail/reduction/fold_rounds.inl.hpp>

#if PARMAP_LINUX
#include <parmap/detail/reduction/accumulator_memory.inl.hpp>
#endif
