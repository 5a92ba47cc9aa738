// SPDX-License-Identifier: MIT
// The bodies of process_cores.hpp on this system.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_LINUX
#include <parmap/detail/system/linux/process_cores.inl.hpp>
#elif PARMAP_MACOS
#include <parmap/detail/system/portable/process_cores.inl.hpp>
#elif PARMAP_WINDOWS
#include <parmap/detail/system/windows/process_cores.inl.hpp>
#endif
