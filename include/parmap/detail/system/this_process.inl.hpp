// SPDX-License-Identifier: MIT
// The bodies of this_process.hpp on this system.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_LINUX
#include <parmap/detail/system/linux/program_name.inl.hpp>
#include <parmap/detail/system/posix/this_process.inl.hpp>
#elif PARMAP_MACOS
#include <parmap/detail/system/macos/program_name.inl.hpp>
#include <parmap/detail/system/posix/this_process.inl.hpp>
#else
#include <parmap/detail/system/windows/this_process.inl.hpp>
#endif
