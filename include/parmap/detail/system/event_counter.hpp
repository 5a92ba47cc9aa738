// SPDX-License-Identifier: MIT
// event_counter: wakes a thread that sleeps in poll.
#pragma once

#include <parmap/detail/config.hpp>

#if PARMAP_LINUX
#include <parmap/detail/system/linux/event_counter.hpp>
#elif PARMAP_MACOS
#include <parmap/detail/system/macos/event_counter.hpp>
#endif
