// SPDX-License-Identifier: MIT
// The bodies of exit_reports.hpp.
#pragma once

#include <parmap/detail/system/exit_reports.hpp>
#include <parmap/detail/system/proc_file.hpp>

#include <cstdlib>

namespace parmap::inline PARMAP_ABI::detail {

// Null in a program that is linked without the tool. The first two are in libgcov but linked only if something asks for
// them
// (-Wl,-u,__gcov_dump,-u,__gcov_reset); the third is in every program that counts.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming): the tools' own names
[[gnu::weak]] void __gcov_reset();
[[gnu::weak]] void __gcov_dump();
[[gnu::weak]] void __gcov_exit();
[[gnu::weak]] void __gmon_start__();
[[gnu::weak]] void _mcleanup();
[[gnu::weak]] int __lsan_do_recoverable_leak_check();
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)
}

PARMAP_INLINE void begin_exit_reports() noexcept {
  if (&__gcov_dump != nullptr && &__gcov_reset != nullptr) __gcov_reset();
}

PARMAP_INLINE void write_exit_reports(pid_t caller) noexcept {
  if (&__gcov_dump != nullptr) __gcov_dump();
  else if (&__gcov_exit != nullptr) __gcov_exit();
  // Without this variable every process writes the file gmon.out, and the caller's would be lost.
  if (&__gmon_start__ != nullptr && &_mcleanup != nullptr && std::getenv("GMON_OUT_PREFIX") != nullptr) _mcleanup();
  if (&__lsan_do_recoverable_leak_check != nullptr && threads_of(caller) == 1)
    static_cast<void>(__lsan_do_recoverable_leak_check());
}

}  // namespace parmap::inline PARMAP_ABI::detail
