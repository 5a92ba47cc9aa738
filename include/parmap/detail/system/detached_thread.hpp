// SPDX-License-Identifier: MIT
// start_detached_thread(stack, body): as std::thread and detach, with a stack of a given size.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_WINDOWS
#include <parmap/detail/system/windows/detached_thread.hpp>
#else
#include <parmap/detail/system/posix/detached_thread.hpp>
#endif
