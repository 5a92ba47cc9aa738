// SPDX-License-Identifier: MIT
// Compiles the folder schedule of libparmap: who takes what, how much at once.
#include <parmap/detail/schedule/task_scope.inl.hpp>
#include <parmap/detail/schedule/retry_wait.inl.hpp>
#include <parmap/detail/schedule/tick_clock.inl.hpp>
#include <parmap/detail/schedule/usable_cores.inl.hpp>
