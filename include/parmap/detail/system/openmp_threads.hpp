// SPDX-License-Identifier: MIT
// end_openmp_threads: before a fork; OpenMP's threads do not survive it, and a parallel region would wait for them.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// OpenMP 5.0, section 3.2.45, under a name that does not clash with <omp.h>. Null unless the program is linked with
// OpenMP. NOLINTNEXTLINE(readability-redundant-declaration)
extern "C" int parmap_omp_pause_resource_all(int kind) noexcept __asm__("omp_pause_resource_all") __attribute__((weak));

// Ends the idle OpenMP threads of the calling thread; gcc's OpenMP (since 9) starts others when they are needed next,
// in this process and in the child. No effect inside a parallel region. Costs nothing if there are none.
inline void end_openmp_threads() noexcept {
  constexpr int soft = 1;
  if (parmap_omp_pause_resource_all != nullptr) static_cast<void>(parmap_omp_pause_resource_all(soft));
}

}  // namespace parmap::inline PARMAP_ABI::detail
