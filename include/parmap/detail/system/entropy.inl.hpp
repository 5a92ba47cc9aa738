// SPDX-License-Identifier: MIT
// The bodies of entropy.hpp on this system.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_LINUX
#include <parmap/detail/system/linux/entropy.inl.hpp>
#else
#include <parmap/detail/system/portable/entropy.inl.hpp>
#endif
