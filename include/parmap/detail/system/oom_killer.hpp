// SPDX-License-Identifier: MIT
// The kernel's out-of-memory killer: whom it is to take first, and whether it has been at work.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/child_process.hpp>

#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// Processes it has killed since the machine was started, in all cgroups (Linux 4.13 and later). About 15 us.
[[nodiscard]] std::optional<long long> oom_kills_so_far() noexcept;

// Under memory pressure the kernel shall take this worker, not its caller; where that may not be said, nothing is lost.
void offer_to_oom_killer(const child_process& worker) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/oom_killer.inl.hpp>
#endif
