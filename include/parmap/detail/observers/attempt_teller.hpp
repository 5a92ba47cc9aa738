// SPDX-License-Identifier: MIT
// attempt_teller: tells an observer of the attempts that threads of this process make.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/failure.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

class attempt_teller {
 public:
  // `to`: null if nobody is to be told; then only is_on may be called.
  explicit attempt_teller(attempt_observer* to) noexcept : to_(to) {}
  attempt_teller(const attempt_teller&) = delete;
  attempt_teller& operator=(const attempt_teller&) = delete;

  [[nodiscard]] bool is_on() const noexcept { return to_ != nullptr; }

  // Each worker keeps its attempt from its begin to its end.
  void begin(attempt& it, std::uint64_t task, unsigned number, unsigned worker) {
    it = {task, number, worker, attempt::clock::now(), {}};
    to_->begun(it);
  }
  // It runs no more. For an attempt that has failed, before options::retry_if is asked: that is no time of the task.
  static void stop(attempt& it) noexcept { it.took = attempt::clock::now() - it.began; }
  void end(attempt& it, seen_value value, const failure* why = nullptr) {
    if (it.took == it.took.zero()) stop(it);
    to_->ended(it, value, why);
  }
  // It will be tried again.
  void fail(attempt& it, const failure& why) {
    if (it.took == it.took.zero()) stop(it);
    to_->failed(it, why);
  }
  void tell(unsigned worker, worker_event what) { to_->happened_to(worker, what, attempt::clock::now()); }

 private:
  attempt_observer* to_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
