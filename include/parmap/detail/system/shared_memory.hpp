// SPDX-License-Identifier: MIT
// shared_memory: memory that workers share with the process that made it. Only Linux has such workers.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_LINUX
#include <parmap/detail/system/linux/shared_memory.hpp>
#else
#include <parmap/detail/system/portable/shared_memory.hpp>
#endif
