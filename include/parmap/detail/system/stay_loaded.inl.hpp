// SPDX-License-Identifier: MIT
// The bodies of stay_loaded.hpp on this system.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_WINDOWS
#include <parmap/detail/system/windows/stay_loaded.inl.hpp>
#else
#include <parmap/detail/system/posix/stay_loaded.inl.hpp>
#endif
