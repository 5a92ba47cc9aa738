// SPDX-License-Identifier: MIT
// The bodies of entropy.hpp on Linux.
#pragma once

#include <parmap/detail/system/entropy.hpp>

#include <sys/random.h>
#include <sys/types.h>

#include <cerrno>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::uint64_t random_bits() {
  std::uint64_t word{};
  for (;;) {
    const ssize_t got = ::getrandom(&word, sizeof word, 0);
    if (got == static_cast<ssize_t>(sizeof word)) return word;
    if (got < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "parmap: getrandom");
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
