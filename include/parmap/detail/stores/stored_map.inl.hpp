// SPDX-License-Identifier: MIT
// The bodies of stored_map.hpp.
#pragma once

#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/stores/task_choice.hpp>
#include <parmap/store.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

class open_store::state {
 public:
  state(sweep&& what, const value_kind& kind, std::uint64_t tasks, const options& of_map)
      : kind_(kind),
        store_(of_map.store->open(of_part(what, of_map.part))),
        part_(part_of(tasks, of_map.part, *store_)),
        choice_(part_ == nullptr ? tasks : part_->size()),
        block_(what.block),
        newest_(block_ > 1 ? tasks / block_ + 1 : 0, none),
        of_run_(of_map),
        last_(of_map.deadline),
        by_caller_(of_map.stop, request_stop{&stop_}) {
    of_run_.store.reset();
    of_run_.part = {};
    of_run_.seed = store_->seed();
    of_run_.stop = stop_.get_token();
    if (of_map.retry_if)
      of_run_.retry_if = [this, asked = of_map.retry_if](const failure& why) {
        failure of_map_index = why;
        of_map_index.index = index(why.index);
        return asked(of_map_index);
      };
  }
  state(const state&) = delete;
  state& operator=(const state&) = delete;
  ~state() {
    if (memory_ == nullptr || kind_.size == 0) return;
    std::ranges::sort(failed_, {}, index_of);
    auto failed = failed_.begin();
    for (std::uint64_t i = choice_.next_left_out(0); i < choice_.of(); i = choice_.next_left_out(i + 1)) {
      while (failed != failed_.end() && failed->first.index < i) ++failed;
      if (failed == failed_.end() || failed->first.index != i) kind_.destroy(place(i));
    }
  }

  void read(void* memory) {
    memory_ = static_cast<std::byte*>(memory);
    measured_.seconds.resize(choice_.of(), std::numeric_limits<float>::quiet_NaN());
    measured_.workers.resize(choice_.of());
    store_->read(true, [this](std::uint64_t index, stored_outcome&& it) { keep(index, std::move(it)); });
    have_read();
  }
  void find_later() {
    of_run_.times = true;  // a stream has no observer that measures
    store_->read(false, [this](std::uint64_t index, stored_outcome&&) {
      if (const std::uint64_t at = place_of(index); at != task_part::nowhere) choice_.leave_out(at);
    });
    have_read();
  }

  void read_accumulators(const std::function<void(std::uint64_t index, const stored_value& it)>& visit) {
    store_->read(true, [&](std::uint64_t index, stored_outcome&& it) {
      choice_.leave_out(index);
      if (it.kind) return add_failure(index, std::move(it));
      if (block_ > 1 && it.value.format != value_format::nothing) newest_[index / block_] = it.number;
      try {
        visit(index, it.value);
      } catch (const std::exception& error) {
        fail_to_read(index, error);
      }
    });
    have_read();
  }
  [[nodiscard]] failure_runs take_failures() noexcept { return std::move(failed_); }

  failure_list join(const results_base& ran, void* values) {
    failure_runs all = std::move(failed_);
    for (const auto& [why, tasks] : runs_of(ran.failures()))
      add_by_index(all, why, tasks, [this](std::uint64_t k) { return choice_.task(k); });
    failure_list failed(std::move(all));
    if (kind_.size != 0)
      ran.failures().for_each_gap(ran.size(), [&](std::uint64_t b, std::uint64_t e) {
        for (std::uint64_t k = b; k < e; ++k)
          kind_.move(place(choice_.task(k)), static_cast<std::byte*>(values) + k * kind_.size);
      });
    memory_ = nullptr;  // the results own the values
    return failed;
  }

  // Codecs are called one at a time.
  void store(const attempt& it, seen_value value, const failure* why) noexcept {
    const std::scoped_lock lock(mutex_);
    const bool ran = it.worker != never_ran;
    if (ran) note_time(choice_.task(it.task), it.took, it.worker);
    if (sees_stops_ && (of_run_.stop.stop_requested() || (last_.is_set() && deadline::clock::now() >= last_.end_all())))
      return;
    try {
      stored_outcome made{.number = store_->number(index(it.task)),
                          .kind = std::nullopt,
                          .attempts = it.number,
                          .worker = ran ? std::optional(it.worker) : std::nullopt,
                          .began = it.began,
                          .took = ran ? std::optional(it.took) : std::nullopt};
      if (why != nullptr) {
        made.kind = why->kind;
        made.message = why->message;
      } else if (kind_.size != 0) {
        made.value = kind_.make(value);
        if (block_ > 1) erase_older(choice_.task(it.task) / block_, made);
      }
      store_->put(std::move(made));
    } catch (const std::exception& error) {
      store_->give_up(error.what());
    } catch (...) {
      store_->give_up("the codec of a value threw what is not a std::exception");
    }
  }

  void f_sees_stops() noexcept { sees_stops_ = true; }
  [[nodiscard]] task_measures take_measured() noexcept { return std::move(measured_); }
  [[nodiscard]] const task_choice& choice() const noexcept { return choice_; }
  [[nodiscard]] const std::shared_ptr<const task_part>& part() const noexcept { return part_; }
  // The index in the map of the task at a place, and of the k-th task that runs.
  [[nodiscard]] std::uint64_t index_at(std::uint64_t place) const noexcept {
    return part_ == nullptr ? place : part_->index(place);
  }
  [[nodiscard]] std::uint64_t index(std::uint64_t k) const noexcept { return index_at(choice_.task(k)); }
  [[nodiscard]] store_run& run() const noexcept { return *store_; }
  [[nodiscard]] const options& of_run() const noexcept { return of_run_; }

 private:
  static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();

  struct request_stop {
    std::stop_source* to;
    void operator()() const noexcept { to->request_stop(); }
  };

  void have_read() {
    choice_.count();
    by_store_.emplace(store_->stop(), request_stop{&stop_});
    say_notes(*store_, of_run_);
  }
  static const sweep& of_part(sweep& what, const parmap::part& which) noexcept {
    what.part = which;
    return what;
  }
  static std::shared_ptr<const task_part> part_of(std::uint64_t tasks, const parmap::part& which, const store_run& by) {
    if (which.is_whole()) return nullptr;
    return std::make_shared<const task_part>(tasks, which, [&by](std::uint64_t i) { return by.number(i); });
  }
  [[nodiscard]] std::uint64_t place_of(std::uint64_t index) const noexcept {
    return part_ == nullptr ? index : part_->place(index);
  }
  static std::uint64_t index_of(const failure_runs::value_type& it) noexcept { return it.first.index; }
  [[nodiscard]] std::byte* place(std::uint64_t at) const noexcept { return memory_ + at * kind_.size; }

  void note_time(std::uint64_t at, const std::optional<std::chrono::nanoseconds>& took,
                 const std::optional<unsigned>& worker) noexcept {
    if (!took || !worker || measured_.workers.empty()) return;
    measured_.seconds[at] = std::chrono::duration<float>(*took).count();
    measured_.workers[at] = *worker;
  }
  void keep(std::uint64_t index, stored_outcome&& it) {
    const std::uint64_t at = place_of(index);
    if (at == task_part::nowhere) return;
    note_time(at, it.took, it.worker);
    if (it.kind) {
      add_failure(at, std::move(it));
    } else if (kind_.size != 0) {
      try {
        kind_.construct(place(at), it.value);
      } catch (const std::exception& error) {
        fail_to_read(index, error);
      }
    }
    choice_.leave_out(at);
  }
  void add_failure(std::uint64_t at, stored_outcome&& it) {
    failed_.emplace_back(failure{at, *it.kind, std::move(it.message), it.attempts, nullptr}, 1);
  }
  // The accumulator is that of its block, in place of an earlier one.
  void erase_older(std::uint64_t block, stored_outcome& by) noexcept {
    if (newest_[block] != none) by.erases = newest_[block];
    newest_[block] = by.number;
  }

  const value_kind& kind_;
  std::byte* memory_{};  // of all places; those that are left out and have not failed have a value there
  std::unique_ptr<store_run> store_;
  std::shared_ptr<const task_part> part_;  // null: all tasks
  task_choice choice_;
  std::uint64_t block_;                // of a fold, else 0
  std::vector<std::uint64_t> newest_;  // of each block of a fold the number of the task whose accumulator is stored
  failure_runs failed_;                // those that were read
  options of_run_;
  deadline last_;
  task_measures measured_;  // of a map
  bool sees_stops_{};
  std::mutex mutex_;
  std::stop_source stop_;
  std::stop_callback<request_stop> by_caller_;
  std::optional<std::stop_callback<request_stop>> by_store_;
};

PARMAP_INLINE void say_notes(const store_run& of, const options& of_map) {
  if (of_map.reporter.is_silent()) return;
  for (const std::string& each : of.notes()) static_cast<void>(std::fprintf(stderr, "%s\n", each.c_str()));
}

PARMAP_INLINE open_store::open_store(sweep&& what, const value_kind& kind, std::uint64_t tasks, const options& of_map)
    : state_(std::make_unique<state>(std::move(what), kind, tasks, of_map)) {}
PARMAP_INLINE open_store::~open_store() = default;

PARMAP_INLINE std::uint64_t open_store::room() const noexcept { return state_->choice().of(); }
PARMAP_INLINE const std::shared_ptr<const task_part>& open_store::part() const noexcept { return state_->part(); }
PARMAP_INLINE void open_store::read(void* memory) { state_->read(memory); }
PARMAP_INLINE void open_store::find_later() { state_->find_later(); }
PARMAP_INLINE void
open_store::read_accumulators(const std::function<void(std::uint64_t index, const stored_value& it)>& visit) {
  state_->read_accumulators(visit);
}
PARMAP_INLINE failure_runs open_store::take_failures() { return state_->take_failures(); }
PARMAP_INLINE void open_store::f_sees_stops() noexcept { state_->f_sees_stops(); }
PARMAP_INLINE const options& open_store::of_run() const noexcept { return state_->of_run(); }
PARMAP_INLINE bool open_store::has_failed() const noexcept { return state_->run().stop().stop_requested(); }
PARMAP_INLINE bool open_store::finish() {
  state_->run().finish();
  return state_->choice().has_all();
}
PARMAP_INLINE failure_list open_store::join(const results_base& ran, void* values) { return state_->join(ran, values); }
PARMAP_INLINE void open_store::pass_notes(results_base& ran, results_base& whole) {
  const task_choice& choice = state_->choice();
  whole.note_stored({choice.words(), choice.of() - choice.size()});
  if (task_measures measured = state_->take_measured(); !measured.workers.empty())
    whole.note_measured(std::move(measured));
  std::optional<map_times> times = ran.take_times();
  if (!times) return;
  for (task_time& each : times->slowest) each.index = choice.task(each.index);
  whole.note_times(std::move(*times));
}
PARMAP_INLINE const task_choice& open_store::choice() const noexcept { return state_->choice(); }
PARMAP_INLINE std::uint64_t open_store::place(std::uint64_t k) const noexcept { return state_->choice().task(k); }
PARMAP_INLINE stored_outcome open_store::find(std::uint64_t place) {
  return state_->run().find(state_->index_at(place));
}

PARMAP_INLINE std::uint64_t open_store::size() const noexcept { return state_->choice().size(); }
PARMAP_INLINE std::uint64_t open_store::index(std::uint64_t k) const noexcept { return state_->index(k); }
PARMAP_INLINE std::uint64_t open_store::stored() const noexcept { return room() - size(); }
PARMAP_INLINE std::uint64_t open_store::stream(std::uint64_t k) const noexcept {
  return state_->run().number(state_->index(k));
}
PARMAP_INLINE void open_store::ended(const attempt& it, seen_value value, const failure* why) noexcept {
  state_->store(it, value, why);
}

PARMAP_INLINE void add_key(const axis_keys& keys, std::uint64_t i, cell_list& to) {
  keys.visit(i, [&to](const auto& key) { to.add(to_stored(key)); });
}

PARMAP_INLINE void fail_to_read(std::uint64_t task, const std::exception& why) {
  throw store_failed("parmap: the stored value of task " + std::to_string(task) + " cannot be read: it is " +
                     why.what());
}

PARMAP_INLINE void refuse_store_for_values() {
  throw std::invalid_argument(
      "parmap: options.store cannot keep values of this type: it has no codec, or its move may throw; specialise "
      "parmap::codec for it, or return something that has one");
}
PARMAP_INLINE void refuse_store_for_lazy_axes() {
  throw std::invalid_argument("parmap: options.store cannot compare the elements of an axis that is endless or can be "
                              "read only once with those "
                              "of a later run; bound it by std::views::take(n), or copy its elements to a std::vector");
}
PARMAP_INLINE void refuse_store_for_axes() {
  throw std::invalid_argument(
      "parmap: options.store cannot compare the elements of these axes with those of a later run, as their type has no "
      "codec; name what identifies an element by a key: parmap::axis(\"model\", models, &model::name), or specialise "
      "parmap::codec");
}

}  // namespace parmap::inline PARMAP_ABI::detail
