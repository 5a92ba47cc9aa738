// SPDX-License-Identifier: MIT
// floating_environment: the rounding mode and the other controls of floating-point arithmetic of a thread.
#pragma once

#include <parmap/detail/config.hpp>

#if !defined(__x86_64__)
#include <cfenv>
#endif

namespace parmap::inline PARMAP_ABI::detail {

// The calling thread's, when it is constructed.
#if defined(__x86_64__)
// The two control registers only: fegetenv takes a hundred cycles.
class floating_environment {
 public:
  floating_environment() noexcept : sse_(__builtin_ia32_stmxcsr()) { asm volatile("fnstcw %0" : "=m"(x87_)); }

  // Makes it the calling thread's.
  void apply() const noexcept {
    __builtin_ia32_ldmxcsr(sse_);
    asm volatile("fldcw %0" : : "m"(x87_));
  }

 private:
  unsigned sse_;
  unsigned short x87_{};
};
#else
class floating_environment {
 public:
  floating_environment() noexcept { std::fegetenv(&all_); }
  void apply() const noexcept { std::fesetenv(&all_); }

 private:
  std::fenv_t all_;
};
#endif

}  // namespace parmap::inline PARMAP_ABI::detail
