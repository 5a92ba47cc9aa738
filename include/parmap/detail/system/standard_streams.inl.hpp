// SPDX-License-Identifier: MIT
// The bodies of standard_streams.hpp.
#pragma once

#include <parmap/detail/system/language_runtime.hpp>
#include <parmap/detail/system/standard_streams.hpp>

#include <stdio_ext.h>

#include <cstdio>
#include <iostream>
#include <ostream>
#include <streambuf>

#if defined(__GLIBCXX__)
#include <ext/stdio_sync_filebuf.h>
#endif

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

// Whether a stream keeps what is written in a buffer of its own, as std::cout and std::clog do after
// std::ios_base::sync_with_stdio(false), or where the caller has given them one. Else it is in stdout's or stderr's.
PARMAP_INLINE bool has_own_buffer(const std::ostream& stream) {
  const std::streambuf* const buffer = stream.rdbuf();
#if defined(__GLIBCXX__)
  return buffer != nullptr && dynamic_cast<const __gnu_cxx::stdio_sync_filebuf<char>*>(buffer) == nullptr;
#else
  struct put_area : std::streambuf {
    static bool is_there(const std::streambuf& of) { return (of.*&put_area::pbase)() != nullptr; }
  };
  return buffer != nullptr && put_area::is_there(*buffer);
#endif
}

PARMAP_INLINE bool task_output::have_own_buffers() noexcept {
  return ::__fbufsize(stderr) > 1 || has_own_buffer(std::cout) || has_own_buffer(std::clog);
}

PARMAP_INLINE bool task_output::runtime_buffers() noexcept { return language_runtime::current().buffers_output(); }

PARMAP_INLINE void task_output::flush_all(bool own_buffers) noexcept {
  language_runtime::current().flush_output();
  if (own_buffers || ::__fpending(stdout) != 0) flush_standard_streams();
}

}  // namespace parmap::inline PARMAP_ABI::detail
