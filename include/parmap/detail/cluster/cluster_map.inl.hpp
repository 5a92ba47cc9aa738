// SPDX-License-Identifier: MIT
// The bodies of cluster_map.hpp.
#pragma once

#include <parmap/detail/cluster/cluster_map.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/system/inside_worker.hpp>

#include <stdexcept>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void refuse_what_ranks_lack(const options& chosen, bool in_processes, bool take_context) {
  if (inside_worker() || task_scope::inside())
    throw std::logic_error(
        "parmap: a task cannot call a map on parmap::mpi, as the other ranks do not call it; use parmap::threads or "
        "parmap::serial inside a task");
  if (chosen.on_interrupt.keeps(false)) refuse_interrupts("mpi");
  if (in_processes) return;
  if (chosen.memory_limit)
    refuse("mpi with the inner engine threads or serial", "memory_limit", "use the inner engine multi");
  if (chosen.timeout && !take_context)
    refuse("mpi with the inner engine threads or serial", "timeout",
           "unless f takes a parmap::context& and looks at its stop_token(); use the inner engine multi, which kills");
}

}  // namespace parmap::inline PARMAP_ABI::detail
