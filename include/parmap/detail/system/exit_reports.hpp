// SPDX-License-Identifier: MIT
// exit_reports: what gcov, gprof and LeakSanitizer would write at the end of a process that leaves by _exit.
#pragma once

#include <parmap/detail/config.hpp>

#include <sys/types.h>

namespace parmap::inline PARMAP_ABI::detail {

// Call in a worker right after its fork: it counts anew, as the caller writes its own counts.
void begin_exit_reports() noexcept;

// Call before _exit. Leaks are looked for only if the process `caller` has one thread: memory that other threads of it
// held would be taken for leaks in a worker, where they do not exist.
void write_exit_reports(pid_t caller) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/exit_reports.inl.hpp>
#endif
