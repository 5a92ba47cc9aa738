// SPDX-License-Identifier: MIT
// kill_descendants: ends all processes that a process has started.
#pragma once

#include <parmap/detail/config.hpp>

#include <sys/types.h>

namespace parmap::inline PARMAP_ABI::detail {

// Sends SIGKILL to every living descendant until none is left. The root must be stopped and be the subreaper of its
// tree: so orphans stay below it, and dead descendants stay unreaped and keep their pids. Finds none if /proc is absent
// or of another pid namespace.
void kill_descendants(pid_t root);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/process_tree.inl.hpp>
#endif
