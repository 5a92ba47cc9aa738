// SPDX-License-Identifier: MIT
// throw_overwritten: the error for words in shared memory that no worker can have written.
#pragma once

#include <parmap/detail/config.hpp>

#include <stdexcept>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// A task has written over shared memory, so nothing in it can be trusted any more.
[[noreturn]] inline void throw_overwritten(const std::string& sign) {
  throw std::runtime_error("parmap: a task wrote over the memory its worker shares with the caller (" + sign +
                           "), so no result of this map can be trusted; look for the stray write by running the map "
                           "under parmap::serial with valgrind or -fsanitize=address");
}

}  // namespace parmap::inline PARMAP_ABI::detail
