// SPDX-License-Identifier: MIT
// The kernel's out-of-memory killer: makes it prefer workers, and counts its kills.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/child_process.hpp>

#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// The number of processes it has killed since boot, in all cgroups (Linux 4.13 and later). Takes about 15 µs.
[[nodiscard]] std::optional<long long> oom_kills_so_far() noexcept;

// Makes the kernel kill this worker rather than its caller under memory pressure. Does nothing if that is refused.
void offer_to_oom_killer(const child_process& worker) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/oom_killer.inl.hpp>
#endif
