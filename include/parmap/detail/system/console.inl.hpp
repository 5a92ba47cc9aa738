// SPDX-License-Identifier: MIT
// The bodies of console.hpp on this system.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_WINDOWS
#include <parmap/detail/system/windows/console.inl.hpp>
#else
#include <parmap/detail/system/posix/console.inl.hpp>
#endif
