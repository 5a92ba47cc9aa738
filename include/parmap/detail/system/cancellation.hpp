// SPDX-License-Identifier: MIT
// cancellation_held_back: keeps pthread_cancel away from code that cannot be unwound.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_WINDOWS
#include <parmap/detail/system/windows/cancellation.hpp>
#else
#include <parmap/detail/system/posix/cancellation.hpp>
#endif
