// SPDX-License-Identifier: MIT
// The bodies of interrupt_watch.hpp on this system.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_WINDOWS
#include <parmap/detail/system/windows/interrupt_watch.inl.hpp>
#else
#include <parmap/detail/system/posix/interrupt_watch.inl.hpp>
#endif
