// SPDX-License-Identifier: MIT
// The signal mask of pool threads: while idle they block the process's signals; in a task they have the caller's mask.
#pragma once

#include <parmap/detail/config.hpp>

// signals_blocked blocks all signals in the calling thread for the lifetime of the object, so that threads made
// meanwhile inherit this mask; outer_mask_scope gives the thread the mask that it would have without it.
#if PARMAP_WINDOWS
#include <parmap/detail/system/windows/signal_mask.hpp>
#else
#include <parmap/detail/system/posix/signal_mask.hpp>
#endif
