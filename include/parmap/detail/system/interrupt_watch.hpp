// SPDX-License-Identifier: MIT
// interrupt_watch: hears of SIGINT and SIGTERM in place of the program's end, where the program does not handle them
// itself.
#pragma once

#include <parmap/detail/config.hpp>

#include <functional>

namespace parmap::inline PARMAP_ABI::detail {

// Several may exist at once, also in several threads. The first one sets the handlers, and starts a thread that waits
// for them; the last one restores both. A signal with a handler of the program, or that it ignores, stays as it is. The
// first signal is for all of them; a second one ends the program, as usual. In a worker of a map it hears of nothing:
// the caller does, and ends the worker.
class interrupt_watch {
 public:
  // `then` is called once, in a thread of its own; it must not throw. Throws std::system_error if there is no
  // descriptor or thread left.
  explicit interrupt_watch(std::function<void()> then);
  interrupt_watch(const interrupt_watch&) = delete;
  interrupt_watch& operator=(const interrupt_watch&) = delete;
  // Returns when `then` has returned, or will not be called.
  ~interrupt_watch();

  // Whether a signal has come since the first of those that exist: `then` may not have been called yet.
  [[nodiscard]] static bool has_heard() noexcept;

 private:
  friend class interrupt_handlers;
  std::function<void()> then_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/interrupt_watch.inl.hpp>
#endif
