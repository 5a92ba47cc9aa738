// SPDX-License-Identifier: MIT
// The buffers of stdout, stderr, std::cout and std::clog: whether they hold anything, and flushing them.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// Flushes all four. Without this before a fork, both processes would write what is buffered.
void flush_standard_streams() noexcept;

// Call after each task in a worker process: flushes what the task has left in the buffers, as a later task may end the
// process. About 4 ns if there is nothing.
PARMAP_API void flush_output_of_task() noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/standard_streams.inl.hpp>
#endif
