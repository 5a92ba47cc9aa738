// SPDX-License-Identifier: MIT
// sleep_precisely: from now on the calling thread wakes at the time that it asks for, if the system can do it.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_LINUX
#include <parmap/detail/system/linux/precise_sleep.hpp>
#else
#include <parmap/detail/system/portable/precise_sleep.hpp>
#endif
