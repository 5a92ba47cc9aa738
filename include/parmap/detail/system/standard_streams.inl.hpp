// SPDX-License-Identifier: MIT
// The bodies of standard_streams.hpp.
#pragma once

#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/standard_streams.hpp>

#include <stdio_ext.h>

#include <cstdio>
#include <iostream>
#include <streambuf>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void flush_standard_streams() noexcept {
  // Not fflush(nullptr): that would wait for a thread that is reading stdin, and move the file offset of input streams.
  static_cast<void>(std::fflush(stdout));
  static_cast<void>(std::fflush(stderr));
  try {
    std::cout.flush();
    std::clog.flush();
  } catch (...) {  // NOLINT(bugprone-empty-catch): nothing is lost, the buffer keeps what was not written
    // The caller made its stream throw on failed writes; its own next write throws again.
  }
}

// std::cout and std::clog have buffers of their own after std::ios_base::sync_with_stdio(false), or where the caller
// has given them some.
struct put_area : std::streambuf {
  [[nodiscard]] static bool is_filled(const std::ostream& of) noexcept {
    const std::streambuf* const buffer = of.rdbuf();
    return buffer != nullptr && (buffer->*&put_area::pptr)() != (buffer->*&put_area::pbase)();
  }
};

PARMAP_INLINE void flush_output_of_task() noexcept {
  language_runtime::current().end_task();
  if (::__fpending(stdout) != 0 || ::__fpending(stderr) != 0 || put_area::is_filled(std::cout) ||
      put_area::is_filled(std::clog))
    flush_standard_streams();
}

}  // namespace parmap::inline PARMAP_ABI::detail
