// SPDX-License-Identifier: MIT
// The bodies of fork_generation.hpp on this system.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_WINDOWS
#include <parmap/detail/system/windows/fork_generation.inl.hpp>
#else
#include <parmap/detail/system/posix/fork_generation.inl.hpp>
#endif
