// SPDX-License-Identifier: MIT
// The bodies of inside_worker.hpp on this system.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_LINUX
#include <parmap/detail/system/linux/inside_worker.inl.hpp>
#else
#include <parmap/detail/system/portable/inside_worker.inl.hpp>
#endif
