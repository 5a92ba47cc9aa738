// SPDX-License-Identifier: MIT
// task_scope: whether the calling thread is inside a task.
#pragma once

#include <parmap/detail/config.hpp>

namespace parmap::inline PARMAP_ABI::detail {

// Marks the thread as running tasks for the lifetime of the object.
class task_scope {
 public:
  task_scope() noexcept { ++depth(); }
  task_scope(const task_scope&) = delete;
  task_scope& operator=(const task_scope&) = delete;
  ~task_scope() { --depth(); }

  [[nodiscard]] static bool inside() noexcept { return depth() > 0; }

 private:
  PARMAP_API static int& depth() noexcept;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/schedule/task_scope.inl.hpp>
#endif
