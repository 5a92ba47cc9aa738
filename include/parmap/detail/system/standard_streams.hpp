// SPDX-License-Identifier: MIT
// The buffers of stdout, stderr, std::cout and std::clog: whether they hold anything, and flushing them.
#pragma once

#include <parmap/detail/config.hpp>

#include <stdio_ext.h>

#include <cstddef>
#include <cstdio>

namespace parmap::inline PARMAP_ABI::detail {

// Flushes all four. Without this before a fork, both processes would write what is buffered.
void flush_standard_streams() noexcept;

// Flushes, after each task of a worker process, what the task has left in the buffers: a later task may end the
// process.
class task_output {
 public:
  // Make it before the forks. Finds out which buffers tasks can leave something in; stdout can always. Calls what
  // flush() calls, so that it is bound in the workers; see bound_early.
  task_output() noexcept
      : own_buffers_(have_own_buffers() || ::__fpending(stdout) == ~std::size_t{0}),
        elsewhere_(own_buffers_ || runtime_buffers()) {}
  // Call after each task. Half a nanosecond if there is nothing.
  void flush() const noexcept {
    if (stdout_holds_some() || elsewhere_) flush_all(own_buffers_);
  }

 private:
  [[nodiscard]] static bool stdout_holds_some() noexcept {
#ifdef __GLIBC__
    // __fpending without a call; text of wide characters is in another place.
    if (stdout->_mode <= 0) return stdout->_IO_write_ptr != stdout->_IO_write_base;
#endif
    return ::__fpending(stdout) != 0;
  }
  PARMAP_API static bool have_own_buffers() noexcept;
  PARMAP_API static bool runtime_buffers() noexcept;
  PARMAP_API static void flush_all(bool own_buffers) noexcept;

  bool own_buffers_;  // of std::cout, std::clog, or stderr
  bool elsewhere_;    // those, or a language runtime's
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/standard_streams.inl.hpp>
#endif
