// SPDX-License-Identifier: MIT
// The bodies of stored_map.hpp.
#pragma once

#include <parmap/detail/stores/stored_map.hpp>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE open_store::open_store(const sweep& what, std::uint64_t tasks, const options& of_map)
    : store_(of_map.store->open(what)),
      choice_(tasks),
      of_run_(of_map),
      by_caller_(of_map.stop, request_stop{&stop_}) {
  of_run_.store.reset();
  of_run_.seed = store_->seed();
  of_run_.stop = stop_.get_token();
}

PARMAP_INLINE open_store::~open_store() = default;

PARMAP_INLINE void open_store::read(const std::function<void(std::uint64_t index, stored_outcome&& it)>& keep) {
  store_->read([&](std::uint64_t index, stored_outcome&& it) {
    choice_.leave_out(index);
    try {
      keep(index, std::move(it));
    } catch (const other_format& error) {
      throw store_failed("parmap: the stored value of task " + std::to_string(index) + " is " + error.what());
    } catch (const bad_encoding& error) {
      throw store_failed("parmap: the stored value of task " + std::to_string(index) + " is damaged: " + error.what());
    }
  });
  choice_.count();
  by_store_.emplace(store_->stop(), request_stop{&stop_});
  if (!of_run_.reporter.is_silent())
    for (const std::string& each : store_->notes()) static_cast<void>(std::fprintf(stderr, "%s\n", each.c_str()));
}

PARMAP_INLINE failure_list open_store::join(failure_runs&& stored, const failure_list& ran) const {
  failure_runs all = std::move(stored);
  for (const auto& [why, tasks] : runs_of(ran)) {
    // Consecutive tasks of the run may have others between them in the map.
    const std::uint64_t end = why.index + tasks;
    for (std::uint64_t k = why.index; k < end;) {
      failure it = why;
      it.index = choice_.task(k);
      std::uint64_t same = 1;
      while (k + same < end && choice_.task(k + same) == it.index + same) ++same;
      all.emplace_back(std::move(it), same);
      k += same;
    }
  }
  return failure_list(std::move(all));
}

PARMAP_INLINE void open_store::renumber(map_times& times) const noexcept {
  for (task_time& each : times.slowest) each.index = choice_.task(each.index);
}

PARMAP_INLINE storing_observer::storing_observer(open_store& to, value_to_stored& make) noexcept
    : to_(to),
      make_(make) {}
PARMAP_INLINE storing_observer::~storing_observer() = default;

PARMAP_INLINE void storing_observer::ended(const attempt& it, seen_value value, const failure* why) noexcept {
  try {
    stored_outcome made{.number = to_.stream(to_.index(it.task)),
                        .kind = std::nullopt,
                        .attempts = it.number,
                        .worker = it.worker,
                        .took = it.took};
    if (why == nullptr) {
      made.value = make_(value);
    } else {
      made.kind = why->kind;
      made.message = why->message;
    }
    to_.outcomes().put(std::move(made));
  } catch (const std::exception& error) {
    to_.outcomes().give_up(error.what());
  } catch (...) {
    to_.outcomes().give_up("the codec of a value threw what is not a std::exception");
  }
}

PARMAP_INLINE void refuse_store_for_values() {
  throw std::invalid_argument(
      "parmap: options.store cannot keep values of this type: it has no codec, or its move may throw; specialise "
      "parmap::codec for it, or return something that has one");
}
PARMAP_INLINE void refuse_store_for_axes() {
  throw std::invalid_argument(
      "parmap: options.store cannot compare the elements of these axes with those of a later run, as their type has no "
      "codec; specialise parmap::codec for it, or let the axis have indices or names");
}

}  // namespace parmap::inline PARMAP_ABI::detail
