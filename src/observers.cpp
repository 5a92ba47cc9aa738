// SPDX-License-Identifier: MIT
// Compiles the folder observers of libparmap: who hears of each attempt of a task.
#include <parmap/detail/observers/observer_queue.inl.hpp>
#include <parmap/detail/observers/time_keeper.inl.hpp>
