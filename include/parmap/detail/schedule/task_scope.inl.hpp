// SPDX-License-Identifier: MIT
// The bodies of task_scope.hpp.
#pragma once

#include <parmap/detail/schedule/task_scope.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE int& task_scope::depth() noexcept {
  static thread_local int levels = 0;
  return levels;
}

}  // namespace parmap::inline PARMAP_ABI::detail
