// SPDX-License-Identifier: MIT
// Who belongs to whom among processes, and the end of all that one has started.
#pragma once

#include <parmap/detail/config.hpp>

#include <sys/types.h>

namespace parmap::inline PARMAP_ABI::detail {

// SIGKILL to every living descendant, until none is left. The root is stopped and is the subreaper of its tree, so that
// orphans stay below it and the dead stay unreaped, their numbers their own. Without a /proc of ours nothing is found.
void kill_descendants(pid_t root);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/process_tree.inl.hpp>
#endif
