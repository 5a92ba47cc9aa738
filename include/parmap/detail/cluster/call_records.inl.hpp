// SPDX-License-Identifier: MIT
// The bodies of call_records.hpp.
#pragma once

#include <parmap/detail/cluster/call_records.hpp>
#include <parmap/detail/cluster/outcome_courier.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/detail/traces/map_recorder.hpp>
#include <parmap/detail/traces/recorder_for.hpp>
#include <parmap/store.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE call_records::call_records(request asked) : asked_(std::move(asked)) {}
PARMAP_INLINE call_records::~call_records() = default;

PARMAP_INLINE void call_records::open() {
  std::string status;
  if (has_store()) {
    store_ = asked_.chosen.store->open(asked_.what());
    choice_.emplace(asked_.tasks);
    store_->read(true, [this](std::uint64_t index, stored_outcome&& it) { keep(index, std::move(it)); });
    choice_->count();
    say_notes(*store_, asked_.chosen);
    status = asked_.chosen.store->status_path(asked_.chosen.part);
  }
  asked_.watched.size = left();
  asked_.watched.stored = asked_.tasks - left();
  recorder_ = recorder_for(asked_.chosen, "mpi", std::move(asked_.watched), nullptr, status,
                           [this](unsigned worker) { return name_of(worker); });
}

PARMAP_INLINE void call_records::keep(std::uint64_t index, stored_outcome&& it) {
  if (it.kind) {
    failed_.emplace_back(failure{index, *it.kind, std::move(it.message), it.attempts}, 1);
  } else {
    try {
      asked_.keep(index, it.value);
    } catch (const std::exception& error) {
      fail_to_read(index, error);
    }
    ++values_;
  }
  choice_->leave_out(index);
}

PARMAP_INLINE std::vector<task_run> call_records::runs(std::uint64_t b, std::uint64_t e) const {
  if (!choice_) return {{b, b, e - b}};
  std::vector<task_run> all;
  while (b < e) {
    const std::uint64_t index = choice_->task(b);
    task_run next{index, store_->number(index), 1};
    while (b + next.count < e && choice_->has(index + next.count) &&
           store_->number(index + next.count) == next.stream + next.count)
      ++next.count;
    b += next.count;
    all.push_back(next);
  }
  return all;
}

PARMAP_INLINE void call_records::note_agents(std::vector<std::pair<std::string, unsigned>> places_and_workers) {
  agents_ = std::move(places_and_workers);
  unsigned first = 0;
  for (auto& [place, workers] : agents_) first += std::exchange(workers, first);
}

PARMAP_INLINE std::string call_records::name_of(unsigned worker) const {
  const auto behind = std::ranges::upper_bound(agents_, worker, {}, &std::pair<std::string, unsigned>::second);
  if (behind == agents_.begin()) return {};
  const auto& [place, first] = *(behind - 1);
  const std::string own = "worker " + std::to_string(worker - first);
  return place.empty() ? own : place + ", " + own;
}

PARMAP_INLINE void call_records::put(stored_outcome&& it) { note(std::move(it), 0); }

PARMAP_INLINE void call_records::take(std::size_t agent, message_reader body) {
  const std::uint64_t ahead = steady_ns(std::chrono::steady_clock::now()) - body.number();
  while (body.left() > 0) note(get_outcome(body, ahead), agents_[agent].second);
}

PARMAP_INLINE void call_records::note(stored_outcome&& it, unsigned first_worker) {
  if (it.worker) *it.worker += first_worker;
  if (recorder_ != nullptr && it.worker) {
    const attempt last{.task = it.number,
                       .number = it.attempts,
                       .worker = *it.worker,
                       .began = it.began,
                       .took = it.took.value_or(std::chrono::nanoseconds(0))};
    recorder_->begun(last);
    if (it.kind) {
      const failure why{it.number, *it.kind, it.message, it.attempts};
      recorder_->ended(last, {}, &why);
    } else {
      recorder_->ended(last, {}, nullptr);
    }
  }
  if (store_ == nullptr) return;
  it.number = store_->number(it.number);
  store_->put(std::move(it));
}

PARMAP_INLINE void call_records::finish() {
  if (recorder_ != nullptr) recorder_->finish();
  if (store_ != nullptr) store_->finish();
}

PARMAP_INLINE stored_tasks call_records::stored() const {
  if (!choice_ || choice_->has_all()) return {};
  return {choice_->words(), choice_->of() - choice_->size()};
}

}  // namespace parmap::inline PARMAP_ABI::detail
