// SPDX-License-Identifier: MIT
// The bodies of file_calls.hpp on this system.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_WINDOWS
#include <parmap/detail/system/windows/file_calls.inl.hpp>
#else
#include <parmap/detail/system/posix/file_calls.inl.hpp>
#endif
