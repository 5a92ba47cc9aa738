// SPDX-License-Identifier: MIT
// The bodies of stream_record.hpp.
#pragma once

#include <parmap/detail/traces/recorder_for.hpp>
#include <parmap/detail/traces/stream_record.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void stream_record::begin(const options& chosen, std::string_view engine_name, watched_tasks&& tasks,
                                        const std::string& status) {
  stored_ = tasks.stored;
  it_ = recorder_for(chosen, engine_name, std::move(tasks), nullptr, status);
}
PARMAP_INLINE void stream_record::tell_of(attempt it, ticks spent, const failure* why) const noexcept {
  if (why != nullptr && why->kind == failure_kind::stopped) return;
  it.took = std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(spent) / ticks_per_us() * 1e3));
  it.began = attempt::clock::now() - it.took;
  it_->begun(it);
  it_->ended(it, {}, why);
}
PARMAP_INLINE void stream_record::finish(std::uint64_t tasks) const noexcept {
  if (it_ == nullptr) return;
  it_->set_tasks(tasks - std::min(tasks, stored_));
  it_->finish();
}
PARMAP_INLINE void stream_record::abandon() const noexcept {
  if (it_ != nullptr) it_->abandon();
}

}  // namespace parmap::inline PARMAP_ABI::detail
