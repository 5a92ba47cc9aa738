// SPDX-License-Identifier: MIT
// process_tree: ends the processes that a process has started, directly or through others.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/file_descriptor.hpp>

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A process held by a pidfd, where there are any: signals reach it, or nobody.
struct held_process {
  pid_t pid;
  file_descriptor fd;
};

// Which descendants of a process to end. Those in other sessions have been detached on purpose (setsid), as a daemon
// detaches itself, and live on.
struct descendants_to_end {
  std::array<pid_t, 2> sessions{};  // the sessions of what is not detached
  std::uint64_t since{};  // of the children, only those started then or later, with all below them; see start_time
};

struct ended_descendants {
  std::vector<held_process> dead;    // zombies until their parent has reaped them
  std::vector<held_process> spared;  // alive, not detached, and older than `since`
};

// Sends SIGKILL to the chosen descendants until none of them lives. `root` is this process, or a stopped child of it
// that is not reaped meanwhile, and the subreaper of its tree, so that orphans stay below it. No stranger is killed,
// even if pids are reused meanwhile. Finds none if /proc is absent or of another pid namespace. Throws std::bad_alloc.
[[nodiscard]] ended_descendants end_descendants(pid_t root, const descendants_to_end& which);

// Kills a process and what is below it now.
void end_with_descendants(const held_process& top) noexcept;

// Reaps those that are dead and were adopted by this process, because it is a subreaper or process 1, and drops them
// from `all`; drops also those that are not its children. Waits for the death of each as long as `patience`.
void reap_adopted(std::vector<held_process>& all, std::chrono::milliseconds patience) noexcept;

// Drops those that have ended.
void drop_ended(std::vector<held_process>& all) noexcept;

// Whether this process becomes the parent of orphans below it.
[[nodiscard]] bool adopts_orphans() noexcept;

// Whether this process has a child, alive or dead.
[[nodiscard]] bool has_children() noexcept;

// The time at which a process that was started now would have been, by the clock of descendants_to_end::since; from
// CLOCK_MONOTONIC in ns. Never later than the kernel has it.
[[nodiscard]] std::uint64_t start_time(std::uint64_t monotonic) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/process_tree.inl.hpp>
#endif
