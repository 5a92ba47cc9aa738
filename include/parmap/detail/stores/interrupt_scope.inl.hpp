// SPDX-License-Identifier: MIT
// The bodies of interrupt_scope.hpp.
#pragma once

#include <parmap/detail/stores/interrupt_scope.hpp>
#include <parmap/detail/system/interrupt_watch.hpp>

#include <atomic>
#include <cstdio>
#include <functional>
#include <optional>
#include <stop_token>

namespace parmap::inline PARMAP_ABI::detail {

struct interrupt_scope::state {
  explicit state(const options& of_map)
      : is_silent(of_map.reporter.is_silent()),
        by_caller(of_map.stop, [this] { stop.request_stop(); }) {}

  void interrupt() noexcept {
    if (!is_silent)
      static_cast<void>(std::fputs(
          "parmap: interrupted: the map ends, and returns what is done; once more ends the program\n", stderr));
    requested.store(true, std::memory_order_release);
    stop.request_stop();
  }

  bool is_silent;
  std::atomic<bool> requested{false};
  std::stop_source stop;
  std::stop_callback<std::function<void()>> by_caller;
  interrupt_watch watch{[this] { interrupt(); }};  // the last one, as its thread uses the others
};

PARMAP_INLINE void interrupt_scope::begin(options& of_map) {
  state_ = new state(of_map);
  of_map.stop = state_->stop.get_token();
  of_map.on_interrupt.watch(state_->requested);
}
PARMAP_INLINE void interrupt_scope::end() noexcept { delete state_; }

}  // namespace parmap::inline PARMAP_ABI::detail
