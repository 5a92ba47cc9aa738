// SPDX-License-Identifier: MIT
// engine_agent: runs the tasks that a rank is given, as a stream of an engine of one machine, and keeps their values.
#pragma once

#include <parmap/detail/cluster/agent_work.hpp>
#include <parmap/detail/cluster/granted_ranges.hpp>
#include <parmap/detail/cluster/value_pieces.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/time_keeper.hpp>
#include <parmap/detail/processes/inputs_by_child.hpp>
#include <parmap/detail/results/bit_set.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/results/input_text.hpp>
#include <parmap/detail/results/result_memory.hpp>
#include <parmap/detail/results/summary_times.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/stores/store_run.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/detail/streams/stream_state.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/engine/multi.hpp>
#include <parmap/engine/threads.hpp>
#include <parmap/options.hpp>
#include <parmap/progress.hpp>
#include <parmap/results.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The values of a rank: memory for all tasks of the map, of which only the pages of its own values are touched.
template <class T>
class rank_values {
 public:
  explicit rank_values(std::uint64_t n) : places_(n), size_(n), present_(std::is_trivially_destructible_v<T> ? 0 : n) {}
  rank_values(const rank_values&) = delete;
  rank_values& operator=(const rank_values&) = delete;
  ~rank_values() {
    if constexpr (!std::is_trivially_destructible_v<T>)
      if (!finished_) present_.for_each_set(0, size_, [this](std::uint64_t i) { places_.discard(i); });
  }

  // Constructs the value of task i from call().
  template <class Call>
  void put(std::uint64_t i, const Call& call) {
    if (i >= size_) throw std::runtime_error("parmap: a value has come from a rank for a task that does not exist");
    places_.put(i, call);
    if constexpr (!std::is_trivially_destructible_v<T>) present_.set(i);
  }
  // `absent`: all tasks that have no value here.
  results<T> finish(failure_list absent, std::uint64_t seed) noexcept {
    finished_ = true;
    return places_.finish(std::move(absent), seed);
  }

 private:
  own_places<T> places_;
  std::uint64_t size_;
  bit_set present_;
  bool finished_{};
};

template <class Tasks>
class engine_agent final : public agent_work {
 public:
  using value = typename Tasks::result;
  static constexpr bool has_values = !std::is_void_v<value>;

  // `in_processes`: under multi; else under threads. `keeps`: values stay here as objects. `receives`: there will be
  // values of other ranks. Throws std::bad_alloc.
  engine_agent(const Tasks& tasks, const options& chosen, bool in_processes, bool keeps, bool receives,
               std::string place)
      : tasks_(tasks),
        options_(chosen),
        in_processes_(in_processes),
        keeps_(keeps),
        place_(std::move(place)) {
    if constexpr (has_values)
      if (keeps || receives) values_.emplace(tasks.size());
    // Rank 0 shows the progress of the whole map, and writes the files.
    options_.reporter = report::silent;
    options_.store.reset();
    options_.trace = {};
  }
  ~engine_agent() override { source_.reset(); }

  void open(const agent_orders& told) override {
    table_.emplace(tasks_.size());
    options_.workers = told.workers;
    options_.seed = told.seed;
    options_.deadline = told.left;
    options_.times = told.times;
    tell_ = told.tell;
    tell_values_ = told.tell_values;
    last_ = deadline(told.left);
    // In a stream a task has another number than in the map.
    if (options_.retry_if)
      options_.retry_if = [ask = options_.retry_if, table = &*table_](const failure& why) {
        failure of_map = why;
        of_map.index = table->index(why.index);
        return ask(of_map);
      };
    if (options_.times) {
      times_.emplace();
      times_->note_workers(told.workers);
    }
    stream_.emplace(tasks_.renumbered_by(*table_));
    const granted_ranges::read_only while_forking(*table_);
    if (in_processes_) source_ = multi.open_stream(*stream_, options_, std::nullopt, nullptr);
    else source_ = threads.open_stream(*stream_, options_, std::nullopt, nullptr);
  }
  void add(const task_run& more) override {
    table_->add(more);
    let_begin();
  }
  void end() override { source_->end_at(table_->granted()); }
  void halt(const std::string& why) noexcept override {
    if (why_halted_.empty()) try {
        why_halted_ = why;
      } catch (...) {  // NOLINT(bugprone-empty-catch): the engine's text will do
      }
    if (source_) source_->halt();
  }
  void abandon() noexcept override { source_.reset(); }
  agent_step step(std::chrono::nanoseconds patience) override {
    const ticks enough = to_ticks(std::chrono::microseconds(100));
    const ticks begun = now_ticks();
    outcomes_at_hand<value> some;
    std::optional<ended_task<value>> one;
    for (;; patience = patience.zero()) {
      switch (source_->next_or_some(some, one, patience)) {
        case arrival::nothing_yet: return agent_step::waits;
        case arrival::end: return agent_step::has_ended;
        case arrival::outcome: break;
      }
      if (some.empty()) {
        take(*one);
      } else {
        while (!some.empty()) take(some.take());
      }
      some = {};
      one.reset();
      if (completed_ + failed_ >= next_look_) let_begin();
      if (now_ticks() - begun > enough) return agent_step::takes_more;
    }
  }
  [[nodiscard]] std::uint64_t completed() const noexcept override { return completed_; }
  [[nodiscard]] std::uint64_t failed() const noexcept override { return failed_; }
  [[nodiscard]] std::uint64_t room() const noexcept override {
    return allowed_ - std::min(allowed_, completed_ + failed_);
  }
  [[nodiscard]] std::string why_stopped() const override {
    if (!why_halted_.empty()) return why_halted_;
    if (!why_stopped_.empty()) return why_stopped_;
    // All tasks had begun that were allowed to, so no outcome tells.
    if (options_.stop.stop_requested()) return stop_requested_text;
    if (options_.max_failures && failed_ >= *options_.max_failures) return max_failures_text;
    return last_.is_set() && deadline::clock::now() >= last_.begin_no_more() ? deadline_text : stop_requested_text;
  }
  void settle() override {
    source_.reset();
    // A stream that has been halted does not tell of what was let in later.
    const std::string why = why_stopped();
    std::uint64_t k = 0;
    const std::uint64_t told = completed_ + failed_;
    for (const auto& [b, e] : table_->all()) {
      const std::uint64_t count = e - b;
      const std::uint64_t skip = std::min(count, told - std::min(told, k));
      k += count;
      if (skip == count) continue;
      failed_ += count - skip;
      add_stopped(failures_, b + skip, e, why);
    }
  }
  [[nodiscard]] failure_runs take_failures() override {
    failure_list described(std::move(failures_));
    // Those of stopped tasks have none.
    described =
        in_processes_ ? with_inputs_by_child(tasks_, std::move(described)) : with_inputs(tasks_, std::move(described));
    return runs_of(described);
  }
  [[nodiscard]] map_times times() override {
    if (!times_) return {};
    map_times all = times_->times();
    failure_list slow = as_failures(all);
    take_inputs(all,
                in_processes_ ? with_inputs_by_child(tasks_, std::move(slow)) : with_inputs(tasks_, std::move(slow)));
    return all;
  }
  [[nodiscard]] std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges() const override {
    auto all = stored_;
    if (table_)
      for (const auto& each : table_->all()) all.push_back(each);
    return all;
  }
  // On rank 0, before the tasks: a value that was stored. Throws what reading it throws.
  void keep_stored([[maybe_unused]] std::uint64_t i, [[maybe_unused]] const stored_value& it) {
    if constexpr (has_values && can_store_value<value>) {
      if (keeps_) values_->put(i, [&it] { return from_stored<value>(it); });
      else pieces_.add(i, from_stored<value>(it));
    }
    if (!stored_.empty() && stored_.back().second == i) ++stored_.back().second;
    else stored_.emplace_back(i, i + 1);
  }

  bool next_piece([[maybe_unused]] message_writer& to) override {
    if constexpr (has_values) return pieces_.take(to);
    else return false;
  }
  void take_piece([[maybe_unused]] message_reader from) override {
    if constexpr (has_values)
      value_pieces<value>::read(from, [this](std::uint64_t i, const auto& get) { values_->put(i, get); });
  }

  // Results with the values that are here. `absent`: all tasks that have none.
  results<value> finish(failure_list absent, std::uint64_t seed) {
    if constexpr (!has_values) return results<value>(tasks_.size(), std::move(absent), seed);
    else if (values_) return values_->finish(std::move(absent), seed);
    // Of the right size, but without memory.
    else return results<value>(result_memory<value>(shared_memory(), tasks_.size()), std::move(absent), seed);
  }

 private:
  using kept = std::conditional_t<has_values, value, char>;
  static constexpr bool sees_stops = Tasks::takes_context;

  // The outcomes of tasks that may begin have room on their way, as those in the window of any stream.
  void let_begin() {
    const std::uint64_t taken = completed_ + failed_;
    const std::uint64_t window = window_of(0, source_->workers(), source_->mean_bytes());
    next_look_ = taken + (window < 4096 ? std::max<std::uint64_t>(window / 4, 1) : window / 2);
    const std::uint64_t limit = std::min(table_->granted(), taken + window);
    if (limit > allowed_) static_cast<void>(source_->allow(allowed_ = limit));
  }
  void take(ended_task<value>& it) {
    auto& [k, what] = it.result;
    const std::uint64_t i = table_->index(k);
    if (times_ && it.worker != never_ran) {
      const double ns = static_cast<double>(it.spent) / ticks_per_us() * 1e3;
      static_cast<void>(times_->add(
          {.task = i, .number = it.attempts, .took = std::chrono::nanoseconds(static_cast<std::int64_t>(ns))}));
    }
    if (tell_ != nullptr && !tell(i, it)) return;
    if (!what) return add_failure(i, what.error());
    if constexpr (has_values) {
      if (keeps_) {
        values_->put(i, [&what]() -> value&& { return std::move(*what); });
      } else {
        try {
          pieces_.add(i, *what);
        } catch (...) {
          return add_failure(i, not_encoded(i, it.attempts));
        }
      }
    }
    ++completed_;
  }
  // Call inside a catch block.
  static failure not_encoded(std::uint64_t i, unsigned attempts) {
    thrown why = describe_or_give_up();
    if (why.kind == failure_kind::threw) why.kind = failure_kind::unencodable;
    if (!why.verbatim) why.message.insert(0, "encoding its result: ");
    return {i, why.kind, std::move(why.message), attempts};
  }
  // Tells of the outcome of task i. False if that has made it a failure, which is noted.
  [[gnu::noinline]] bool tell(std::uint64_t i, const ended_task<value>& it) {
    const auto& what = it.result.outcome;
    if (!what && what.error().kind == failure_kind::stopped) return true;
    // Such a task may have seen the request, and be incomplete. It runs again.
    if (sees_stops && !in_processes_ &&
        (!why_halted_.empty() || options_.stop.stop_requested() ||
         (last_.is_set() && deadline::clock::now() >= last_.end_all())))
      return true;
    const std::chrono::nanoseconds took(
        static_cast<std::int64_t>(static_cast<double>(it.spent) / ticks_per_us() * 1e3));
    stored_outcome told{.number = i,
                        .kind = std::nullopt,
                        .attempts = it.attempts,
                        .worker = it.worker != never_ran ? std::optional(it.worker) : std::nullopt,
                        .began = stored_outcome::time_point::clock::now() - took,
                        .took = took};
    std::optional<failure> refused;
    if (what) {
      if constexpr (has_values && can_store_value<value>) try {
          // As it must be encoded to leave this rank, too.
          if (tell_values_) told.value = to_stored(*what);
        } catch (...) {
          refused = not_encoded(i, it.attempts);
        }
    }
    if (!what || refused) {
      const failure& why = refused ? *refused : what.error();
      told.kind = why.kind;
      told.message = why.message;
    }
    tell_->put(std::move(told));
    if (refused) add_failure(i, std::move(*refused));
    return !refused;
  }
  void add_failure(std::uint64_t i, failure why) {
    why.index = i;
    ++failed_;
    if (why.kind == failure_kind::stopped) {
      why_stopped_ = why.message;
      if (!why_halted_.empty()) why.message = why_halted_;
      if (why.attempts == 0 && !failures_.empty()) {
        auto& [last, count] = failures_.back();
        if (last.kind == why.kind && last.attempts == 0 && last.index + count == i && last.message == why.message) {
          ++count;
          return;
        }
      }
    } else {
      why.place = place_;
    }
    why.exception = nullptr;  // it would be there on this rank only
    failures_.emplace_back(std::move(why), 1);
  }

  const Tasks& tasks_;
  options options_;
  bool in_processes_;
  bool keeps_;
  std::string place_;
  outcome_sink* tell_{};
  bool tell_values_{};
  std::vector<std::pair<std::uint64_t, std::uint64_t>> stored_;  // tasks whose outcomes rank 0 has read
  std::string why_halted_;                                       // from rank 0
  std::string why_stopped_;                                      // from the engine
  deadline last_{std::nullopt};
  std::optional<granted_ranges> table_;
  std::optional<Tasks> stream_;
  std::optional<rank_values<kept>> values_;
  value_pieces<kept> pieces_;
  failure_runs failures_;
  std::uint64_t completed_{};
  std::uint64_t failed_{};
  std::uint64_t allowed_{};    // tasks below it may begin
  std::uint64_t next_look_{};  // when so many outcomes have been taken, more may
  std::optional<time_keeper> times_;
  std::unique_ptr<outcome_source<value>> source_;  // destroyed first
};

}  // namespace parmap::inline PARMAP_ABI::detail
