// SPDX-License-Identifier: MIT
// The bodies of interrupt_watch.hpp on Windows: Ctrl-C and Ctrl-Break of the console. There is no SIGTERM.
#pragma once

#include <parmap/detail/system/interrupt_watch.hpp>
#include <parmap/detail/system/windows/windows_header.hpp>

#include <algorithm>
#include <csignal>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

class interrupt_handlers {
 public:
  static interrupt_handlers& of_this_process() {
    static auto& all = *new interrupt_handlers;  // never destroyed, as Windows calls the handler in a thread of its own
    return all;
  }

  void add(interrupt_watch& who) {
    const std::scoped_lock turn(turns_);
    const bool is_first = with_watches([&] {
      const bool none = watches_.empty();
      if (none) has_come_ = false;
      watches_.push_back(&who);
      return none;
    });
    if (is_first && !program_has_handler()) ::SetConsoleCtrlHandler(handle, TRUE);
  }
  void remove(interrupt_watch& who) {
    const std::scoped_lock turn(turns_);
    const bool is_last = with_watches([&] {
      std::erase(watches_, &who);
      return watches_.empty();
    });
    if (is_last) ::SetConsoleCtrlHandler(handle, FALSE);  // no effect if it is not set
  }
  [[nodiscard]] bool has_heard() {
    return with_watches([&] { return has_come_ && !watches_.empty(); });
  }

 private:
  // Whether the program handles Ctrl-C by signal(). Handlers that it has given to Windows cannot be asked for.
  static bool program_has_handler() noexcept {
    const auto before = std::signal(SIGINT, SIG_DFL);
    static_cast<void>(std::signal(SIGINT, before));
    return before != SIG_DFL;
  }
  // Not while Windows is asked to add or remove the handler: it may wait for a handler that runs.
  template <class Act>
  bool with_watches(const Act& act) {
    const std::scoped_lock lock(mutex_);
    return act();
  }
  static BOOL WINAPI handle(DWORD what) {
    if (what != CTRL_C_EVENT && what != CTRL_BREAK_EVENT) return FALSE;
    interrupt_handlers& all = of_this_process();
    return all.with_watches([&] {
      if (all.watches_.empty() || std::exchange(all.has_come_, true)) return false;  // ends the program, as usual
      for (interrupt_watch* const each : all.watches_)
        if (const auto then = std::exchange(each->then_, nullptr)) then();
      return true;
    });
  }

  std::mutex turns_;  // the handler is being set or removed
  std::mutex mutex_;  // of the others
  std::vector<interrupt_watch*> watches_;
  bool has_come_{};
};

PARMAP_INLINE interrupt_watch::interrupt_watch(std::function<void()> then) : then_(std::move(then)) {
  interrupt_handlers::of_this_process().add(*this);
}
PARMAP_INLINE interrupt_watch::~interrupt_watch() { interrupt_handlers::of_this_process().remove(*this); }

PARMAP_INLINE bool interrupt_watch::has_heard() noexcept { return interrupt_handlers::of_this_process().has_heard(); }

}  // namespace parmap::inline PARMAP_ABI::detail
