// SPDX-License-Identifier: MIT
// The bodies of stored_map.hpp.
#pragma once

#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/stores/task_choice.hpp>
#include <parmap/store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

class open_store::state {
 public:
  state(const sweep& what, const value_kind& kind, void* memory, std::uint64_t tasks, const options& of_map)
      : kind_(kind),
        memory_(static_cast<std::byte*>(memory)),
        store_(of_map.store->open(what)),
        choice_(tasks),
        of_run_(of_map),
        by_caller_(of_map.stop, request_stop{&stop_}) {
    of_run_.store.reset();
    of_run_.seed = store_->seed();
    of_run_.stop = stop_.get_token();
  }
  state(const state&) = delete;
  state& operator=(const state&) = delete;
  ~state() {
    if (kind_.size == 0) return;
    for (const std::uint64_t index : kept_) kind_.destroy(place(index));
  }

  void read() {
    store_->read([this](std::uint64_t index, stored_outcome&& it) { keep(index, std::move(it)); });
    choice_.count();
    by_store_.emplace(store_->stop(), request_stop{&stop_});
    if (!of_run_.reporter.is_silent())
      for (const std::string& each : store_->notes()) static_cast<void>(std::fprintf(stderr, "%s\n", each.c_str()));
  }

  failure_list join(const results_base& ran, void* values) {
    failure_runs all = std::move(failed_);
    for (const auto& [why, tasks] : runs_of(ran.failures())) add_by_index(why, tasks, all);
    failure_list failed(std::move(all));
    if (kind_.size != 0)
      ran.failures().for_each_gap(ran.size(), [&](std::uint64_t b, std::uint64_t e) {
        for (std::uint64_t k = b; k < e; ++k)
          kind_.move(place(choice_.task(k)), static_cast<std::byte*>(values) + k * kind_.size);
      });
    kept_.clear();  // the results own the values
    return failed;
  }

  void store(const attempt& it, seen_value value, const failure* why) noexcept {
    try {
      stored_outcome made{.number = store_->number(choice_.task(it.task)),
                          .kind = std::nullopt,
                          .attempts = it.number,
                          .worker = it.worker,
                          .took = it.took};
      if (why != nullptr) {
        made.kind = why->kind;
        made.message = why->message;
      } else if (kind_.size != 0) {
        made.value = kind_.make(value);
      }
      store_->put(std::move(made));
    } catch (const std::exception& error) {
      store_->give_up(error.what());
    } catch (...) {
      store_->give_up("the codec of a value threw what is not a std::exception");
    }
  }

  [[nodiscard]] const task_choice& choice() const noexcept { return choice_; }
  [[nodiscard]] store_run& run() const noexcept { return *store_; }
  [[nodiscard]] const options& of_run() const noexcept { return of_run_; }

 private:
  struct request_stop {
    std::stop_source* to;
    void operator()() const noexcept { to->request_stop(); }
  };

  [[nodiscard]] std::byte* place(std::uint64_t index) const noexcept { return memory_ + index * kind_.size; }

  void keep(std::uint64_t index, stored_outcome&& it) {
    if (it.kind) {
      failed_.emplace_back(failure{index, *it.kind, std::move(it.message), it.attempts, nullptr}, 1);
    } else if (kind_.size != 0) {
      try {
        kept_.push_back(index);
        kind_.construct(place(index), it.value);
      } catch (const std::exception& error) {
        kept_.pop_back();
        throw store_failed("parmap: the stored value of task " + std::to_string(index) + " cannot be read: it is " +
                           error.what());
      }
    }
    choice_.leave_out(index);
  }
  // Consecutive tasks of the run may have others between them in the map.
  void add_by_index(const failure& why, std::uint64_t tasks, failure_runs& to) const {
    const std::uint64_t end = why.index + tasks;
    for (std::uint64_t k = why.index; k < end;) {
      failure it = why;
      it.index = choice_.task(k);
      std::uint64_t same = 1;
      while (k + same < end && choice_.task(k + same) == it.index + same) ++same;
      to.emplace_back(std::move(it), same);
      k += same;
    }
  }

  const value_kind& kind_;
  std::byte* memory_;
  std::unique_ptr<store_run> store_;
  task_choice choice_;
  std::vector<std::uint64_t> kept_;  // the tasks whose values were read
  failure_runs failed_;              // those that were read
  options of_run_;
  std::stop_source stop_;
  std::stop_callback<request_stop> by_caller_;
  std::optional<std::stop_callback<request_stop>> by_store_;
};

PARMAP_INLINE open_store::open_store(const sweep& what, const value_kind& kind, void* memory, std::uint64_t tasks,
                                     const options& of_map)
    : state_(std::make_unique<state>(what, kind, memory, tasks, of_map)) {}
PARMAP_INLINE open_store::~open_store() = default;

PARMAP_INLINE void open_store::read() { state_->read(); }
PARMAP_INLINE const options& open_store::of_run() const noexcept { return state_->of_run(); }
PARMAP_INLINE bool open_store::finish() {
  state_->run().finish();
  return state_->choice().has_all();
}
PARMAP_INLINE failure_list open_store::join(const results_base& ran, void* values) { return state_->join(ran, values); }
PARMAP_INLINE void open_store::pass_times(results_base& ran, results_base& whole) const {
  std::optional<map_times> times = ran.take_times();
  if (!times) return;
  for (task_time& each : times->slowest) each.index = state_->choice().task(each.index);
  whole.note_times(std::move(*times));
}

PARMAP_INLINE std::uint64_t open_store::size() const noexcept { return state_->choice().size(); }
PARMAP_INLINE std::uint64_t open_store::index(std::uint64_t k) const noexcept { return state_->choice().task(k); }
PARMAP_INLINE std::uint64_t open_store::stream(std::uint64_t index) const noexcept {
  return state_->run().number(index);
}
PARMAP_INLINE void open_store::ended(const attempt& it, seen_value value, const failure* why) noexcept {
  state_->store(it, value, why);
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
