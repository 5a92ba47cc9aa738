// SPDX-License-Identifier: MIT
// The bodies of observer_queue.hpp.
#pragma once

#include <parmap/detail/observers/observer_queue.hpp>
#include <parmap/detail/system/service_thread.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE observer_queue::observer_queue(attempt_observer& to, std::size_t bound) : to_(to), bound_(bound) {
  thread_ = service_thread([this] { serve(); });
}

PARMAP_INLINE observer_queue::~observer_queue() {
  {
    const std::scoped_lock lock(mutex_);
    over_ = true;
  }
  news_.notify_all();
  thread_.join();
}

PARMAP_INLINE void observer_queue::push(event&& it) noexcept {
  std::unique_lock lock(mutex_);
  taken_.wait(lock, [this] { return waiting_.size() < bound_; });
  try {
    waiting_.push_back(std::move(it));
  } catch (const std::exception&) {
    ++lost_;
  }
  news_.notify_one();
}

PARMAP_INLINE void observer_queue::begun(const attempt& it) noexcept { push({.what = kind::begun, .it = it}); }

PARMAP_INLINE void observer_queue::failed(const attempt& it, const failure& why) noexcept {
  try {
    push({.what = kind::failed, .it = it, .why = why});
  } catch (const std::exception&) {
    const std::scoped_lock lock(mutex_);
    ++lost_;
  }
}

PARMAP_INLINE void observer_queue::ended(const attempt& it, seen_value value, const failure* why) noexcept {
  try {
    push({.what = kind::ended, .it = it, .value = value, .why = why == nullptr ? std::nullopt : std::optional(*why)});
  } catch (const std::exception&) {
    const std::scoped_lock lock(mutex_);
    ++lost_;
  }
}

PARMAP_INLINE void observer_queue::happened_to(unsigned worker, worker_event what,
                                               attempt::clock::time_point when) noexcept {
  push({.what = kind::worker, .it = {.worker = worker, .began = when}, .happened = what});
}

PARMAP_INLINE void observer_queue::pass_on(const event& it) noexcept {
  switch (it.what) {
    case kind::begun: return to_.begun(it.it);
    case kind::failed: return to_.failed(it.it, *it.why);
    case kind::ended: return to_.ended(it.it, it.value, it.why ? &*it.why : nullptr);
    case kind::worker: return to_.happened_to(it.it.worker, it.happened, it.it.began);
  }
}

PARMAP_INLINE void observer_queue::serve() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    news_.wait(lock, [this] { return over_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const event next = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    lock.unlock();
    pass_on(next);
    lock.lock();
    busy_ = false;
    taken_.notify_all();
  }
}

PARMAP_INLINE void observer_queue::drain() noexcept {
  std::unique_lock lock(mutex_);
  taken_.wait(lock, [this] { return waiting_.empty() && !busy_; });
}

PARMAP_INLINE std::uint64_t observer_queue::lost() const noexcept {
  const std::scoped_lock lock(mutex_);
  return lost_;
}

}  // namespace parmap::inline PARMAP_ABI::detail
