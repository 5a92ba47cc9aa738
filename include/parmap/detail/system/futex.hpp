// SPDX-License-Identifier: MIT
// futex_wait and futex_wake: wait on a word of memory with a time limit, which std::atomic::wait does not have.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/futex_word.hpp>

// futex_wait(word, seen, limit) sleeps while `word` holds `seen`, at most for `limit`. It may return early without a
// reason: the caller checks again, so errors can be ignored.
// futex_wake(word, sleepers) wakes so many of those that sleep on it, or more.
#if PARMAP_LINUX
#include <parmap/detail/system/linux/futex_calls.hpp>
#else
#include <parmap/detail/system/portable/futex_calls.hpp>
#endif
