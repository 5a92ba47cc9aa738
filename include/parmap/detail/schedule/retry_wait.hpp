// SPDX-License-Identifier: MIT
// retry_wait: how long a failed task waits for its next attempt.
#pragma once

#include <parmap/detail/config.hpp>

#include <chrono>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// `first` doubles with each attempt, and is multiplied by a random factor from [0.75, 1.25), so that tasks that failed
// together are not tried again together. The factor is a number of Philox with the key (seed, task), in a block that
// context::rng() never reaches, so it is the same in each run. At most a day. `attempt`: the one that has failed,
// from 1.
[[nodiscard]] PARMAP_API std::chrono::nanoseconds retry_wait(std::chrono::nanoseconds first, std::uint64_t seed,
                                                             std::uint64_t task, unsigned attempt) noexcept;

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/schedule/retry_wait.inl.hpp>
#endif
