// SPDX-License-Identifier: MIT
// The bodies of stored_map.hpp.
#pragma once

#include <parmap/detail/schedule/deadline.hpp>
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
  state(const sweep& what, const value_kind& kind, std::uint64_t tasks, const options& of_map)
      : kind_(kind),
        store_(of_map.store->open(what)),
        choice_(tasks),
        of_run_(of_map),
        last_(of_map.deadline),
        by_caller_(of_map.stop, request_stop{&stop_}) {
    of_run_.store.reset();
    of_run_.seed = store_->seed();
    of_run_.stop = stop_.get_token();
    if (of_map.retry_if)
      of_run_.retry_if = [this, asked = of_map.retry_if](const failure& why) {
        failure of_map_index = why;
        of_map_index.index = choice_.task(why.index);
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
    store_->read(true, [this](std::uint64_t index, stored_outcome&& it) { keep(index, std::move(it)); });
    have_read();
  }
  void find_later() {
    of_run_.times = true;  // a stream has no observer that measures
    store_->read(false, [this](std::uint64_t index, stored_outcome&&) { choice_.leave_out(index); });
    have_read();
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
    memory_ = nullptr;  // the results own the values
    return failed;
  }

  void store(const attempt& it, seen_value value, const failure* why) noexcept {
    if (sees_stops_ && (of_run_.stop.stop_requested() || (last_.is_set() && deadline::clock::now() >= last_.end_all())))
      return;
    try {
      stored_outcome made{.number = store_->number(choice_.task(it.task)),
                          .kind = std::nullopt,
                          .attempts = it.number,
                          .worker = it.worker,
                          .began = it.began,
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

  void f_sees_stops() noexcept { sees_stops_ = true; }
  [[nodiscard]] const task_choice& choice() const noexcept { return choice_; }
  [[nodiscard]] store_run& run() const noexcept { return *store_; }
  [[nodiscard]] const options& of_run() const noexcept { return of_run_; }

 private:
  struct request_stop {
    std::stop_source* to;
    void operator()() const noexcept { to->request_stop(); }
  };

  void have_read() {
    choice_.count();
    by_store_.emplace(store_->stop(), request_stop{&stop_});
    say_notes(*store_, of_run_);
  }
  static std::uint64_t index_of(const failure_runs::value_type& it) noexcept { return it.first.index; }
  [[nodiscard]] std::byte* place(std::uint64_t index) const noexcept { return memory_ + index * kind_.size; }

  void keep(std::uint64_t index, stored_outcome&& it) {
    if (it.kind) {
      failed_.emplace_back(failure{index, *it.kind, std::move(it.message), it.attempts, nullptr}, 1);
    } else if (kind_.size != 0) {
      try {
        kind_.construct(place(index), it.value);
      } catch (const std::exception& error) {
        fail_to_read(index, error);
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
  std::byte* memory_{};  // of all tasks; those that are left out and have not failed have a value there
  std::unique_ptr<store_run> store_;
  task_choice choice_;
  failure_runs failed_;  // those that were read
  options of_run_;
  deadline last_;
  bool sees_stops_{};
  std::stop_source stop_;
  std::stop_callback<request_stop> by_caller_;
  std::optional<std::stop_callback<request_stop>> by_store_;
};

PARMAP_INLINE void say_notes(const store_run& of, const options& of_map) {
  if (of_map.reporter.is_silent()) return;
  for (const std::string& each : of.notes()) static_cast<void>(std::fprintf(stderr, "%s\n", each.c_str()));
}

PARMAP_INLINE open_store::open_store(const sweep& what, const value_kind& kind, std::uint64_t tasks,
                                     const options& of_map)
    : state_(std::make_unique<state>(what, kind, tasks, of_map)) {}
PARMAP_INLINE open_store::~open_store() = default;

PARMAP_INLINE void open_store::read(void* memory) { state_->read(memory); }
PARMAP_INLINE void open_store::find_later() { state_->find_later(); }
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
  std::optional<map_times> times = ran.take_times();
  if (!times) return;
  for (task_time& each : times->slowest) each.index = choice.task(each.index);
  whole.note_times(std::move(*times));
}
PARMAP_INLINE const task_choice& open_store::choice() const noexcept { return state_->choice(); }
PARMAP_INLINE stored_outcome open_store::find(std::uint64_t index) { return state_->run().find(index); }

PARMAP_INLINE std::uint64_t open_store::size() const noexcept { return state_->choice().size(); }
PARMAP_INLINE std::uint64_t open_store::index(std::uint64_t k) const noexcept { return state_->choice().task(k); }
PARMAP_INLINE std::uint64_t open_store::stream(std::uint64_t k) const noexcept {
  return state_->run().number(state_->choice().task(k));
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
