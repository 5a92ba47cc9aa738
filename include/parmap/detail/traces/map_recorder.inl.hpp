// SPDX-License-Identifier: MIT
// The bodies of map_recorder.hpp. More than 400 lines: one class, as the lanes, the account, the events and the thread
// that writes them share two kinds of locks.
#pragma once

#include <parmap/detail/schedule/fetch_max.hpp>
#include <parmap/detail/system/file_calls.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/service_thread.hpp>
#include <parmap/detail/system/this_process.hpp>
#include <parmap/detail/traces/json_text.hpp>
#include <parmap/detail/traces/map_recorder.hpp>
#include <parmap/detail/traces/written_file.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

[[noreturn]] PARMAP_INLINE void throw_cannot_write(const record_request& asked, const std::string& path,
                                                   std::error_code why) {
  throw std::runtime_error("parmap: " + asked.option + ": cannot write " + path + ": " + why.message() +
                           "; name a file in a folder that exists and that you may write to");
}

PARMAP_INLINE map_recorder::map_recorder(record_request&& asked, attempt_observer* next)
    : asked_(std::move(asked)),
      next_(next),
      numbers_(asked_.numbers),
      generation_(fork_generation()),
      began_(attempt::clock::now()),
      events_(began_, process_id(), asked_.most_slices, asked_.row) {
  const map_identity process = identity_of_process();
  map_identity& mine = asked_.about;
  if (mine.program.empty()) mine.program = process.program;
  mine.host = process.host;
  mine.pid = process.pid;
  mine.began = process.began;
  if (!asked_.trace.empty()) {
    asked_.trace = absolute_path(asked_.trace);  // a task may change the working directory
    asked_.status.push_back(asked_.trace + ".status");
    if (const std::error_code why = begin_file(asked_.trace)) throw_cannot_write(asked_, asked_.trace, why);
    std::string name = "{\"name\":";
    add_json(name, mine.label.empty() ? mine.program : mine.label);
    events_.add_metadata("process_name", name += '}');
    std::string about = "{\"format\":1,";
    add_identity(about, mine);
    events_.add_metadata("parmap", about += '}');
  }
  for (std::string& each : asked_.status) {
    each = absolute_path(each);
    if (const std::error_code why = replace_file(each, status_text(mine, account_, state(map_end::not_yet))))
      throw_cannot_write(asked_, each, why);
  }
  thread_ = service_thread([this] { serve(); });
}

PARMAP_INLINE map_recorder::~map_recorder() { end(true); }
PARMAP_INLINE void map_recorder::finish() noexcept { end(false); }
PARMAP_INLINE void map_recorder::abandon() noexcept { end(true); }

// What there is no memory for is lost, and said at the end.
template <class Act>
void map_recorder::guarded(const Act& act) noexcept {
  try {
    act();
  } catch (const std::exception&) {
    lost_ = true;
  }
}

PARMAP_INLINE std::string map_recorder::text_of(std::uint64_t index) const noexcept {
  try {
    if (asked_.text) return asked_.text(index);
  } catch (...) {  // NOLINT(bugprone-empty-catch): this one has no text
  }
  return {};
}

// ---- Lanes.

PARMAP_INLINE void map_recorder::take_ended(lane& mine) noexcept {
  for (const attempt& it : mine.ended) guarded([&] { account_for(it, nullptr, false); });
  mine.ended.clear();
}

template <class Act>
void map_recorder::with_account(lane& mine, const Act& act) noexcept {
  bool is_much = false;
  {
    const std::scoped_lock lock(mutex_);
    take_ended(mine);
    guarded(act);
    is_much = events_.waiting_bytes() > much;
  }
  if (is_much) news_.notify_one();
}

PARMAP_INLINE void map_recorder::take_all_ended() noexcept {
  for (lane& each : lanes_) {
    const std::scoped_lock lock(each.mutex);
    with_account(each, [] {});
  }
}

PARMAP_INLINE void map_recorder::number_from(std::uint64_t first, std::uint64_t step) noexcept {
  take_all_ended();
  const std::scoped_lock lock(mutex_);
  first_ = first;
  step_ = step;
}

PARMAP_INLINE void map_recorder::renumber(std::vector<std::uint64_t>&& tasks) noexcept {
  take_all_ended();
  const std::scoped_lock lock(mutex_);
  chosen_ = std::move(tasks);
}

PARMAP_INLINE void map_recorder::set_tasks(std::uint64_t tasks, std::uint64_t stored) noexcept {
  const std::scoped_lock lock(mutex_);
  asked_.about.tasks = tasks;
  if (stored > 0) asked_.about.stored = stored;
}

PARMAP_INLINE void map_recorder::begun(const attempt& it) noexcept {
  constexpr std::chrono::milliseconds between_texts(1);
  fetch_max(workers_, it.worker + 1);
  {
    lane& mine = lane_of(it.worker);
    const std::scoped_lock lock(mine.mutex);
    guarded([&] {
      seat& place = seat_of(it.worker, mine);
      place.running = it;
      place.has_inputs = false;
      // Only a task that lasts is seen with its inputs, and to write them takes as long as a short task.
      const bool asks = asked_.texts == text_time::in_calls && it.began - place.asked > between_texts;
      if (!asks && !place.waits) return;
      with_account(mine, [&] {
        if (std::exchange(place.waits, false)) events_.begun(it);
        if (!asks) return;
        place.asked = it.began;
        place.inputs = text_of(index_of(it.task));
        place.has_inputs = true;
      });
    });
  }
  if (next_ != nullptr) next_->begun(it);
}

PARMAP_INLINE void map_recorder::failed(const attempt& it, const failure& why) noexcept {
  end_attempt(it, &why, true);
  if (next_ != nullptr) next_->failed(it, why);
}

PARMAP_INLINE void map_recorder::ended(const attempt& it, seen_value value, const failure* why) noexcept {
  end_attempt(it, why, false);
  if (next_ != nullptr) next_->ended(it, value, why);
}

PARMAP_INLINE void map_recorder::end_attempt(const attempt& it, const failure* why, bool again) noexcept {
  lane& mine = lane_of(it.worker);
  const std::scoped_lock lock(mine.mutex);
  guarded([&] {
    seat_of(it.worker, mine).running.number = 0;
    if (why == nullptr && it.took < trace_events::shortest) {
      if (mine.ended.capacity() == 0) mine.ended.reserve(most_waiting);
      mine.ended.push_back(it);
      if (mine.ended.size() == most_waiting) with_account(mine, [this] { ask_in_call(); });
    } else {
      with_account(mine, [&] {
        account_for(it, why, again);
        ask_in_call();
      });
    }
  });
}

PARMAP_INLINE void map_recorder::account_for(const attempt& it, const failure* why, bool again) {
  std::optional<failure> in_words;
  if (why != nullptr && asked_.words != nullptr) {
    in_words = *why;
    in_words->message = asked_.words(*why);
    why = &*in_words;
  }
  const std::uint64_t index = index_of(it.task);
  if (again) account_.retried(it, index);
  else account_.ended(it, index, why);
  if (account_.last_is_slow()) has_new_slowest_ = true;
  if (asked_.texts != text_time::when_told && account_.has_without_inputs())
    for (map_account::cause* const each : account_.without_inputs())
      account_.set_inputs(*each, text_of(each->first.index));
  if (!asked_.trace.empty()) make_slice(it, index, why, again);
}

PARMAP_INLINE void map_recorder::ask_in_call() {
  if (asked_.texts == text_time::in_calls && std::exchange(has_new_slowest_, false)) add_text_of_slowest();
}

PARMAP_INLINE void map_recorder::make_slice(attempt it, std::uint64_t index, const failure* why, bool again) {
  if (!events_.has_own_slice(it, index, why, again)) return;
  trace_slice made{.it = it, .index = index};
  if (why != nullptr) {
    made.how = again ? attempt_end::retried : attempt_end::failure;
    made.kind = why->kind;
    made.message = why->message;
  }
  if (asked_.texts == text_time::when_told) {
    without_text_.push_back(std::move(made));
    return;
  }
  made.inputs = text_of(index);
  events_.add(made);
}

PARMAP_INLINE void map_recorder::happened_to(unsigned worker, worker_event what,
                                             attempt::clock::time_point when) noexcept {
  fetch_max(workers_, worker + 1);
  {
    lane& mine = lane_of(worker);
    const std::scoped_lock lock(mine.mutex);
    guarded([&] {
      seat& place = seat_of(worker, mine);
      place.waits = what == worker_event::waits;
      if (what == worker_event::died) place.running.number = 0;
      if (!asked_.trace.empty()) with_account(mine, [&] { events_.happened_to(worker, what, when); });
    });
  }
  if (next_ != nullptr) next_->happened_to(worker, what, when);
}

// text() is called without the lock: it may wait for a thread that waits for the lock.
PARMAP_INLINE void map_recorder::write_texts() noexcept {
  guarded([this] {
    std::vector<trace_slice> slices;
    std::vector<attempt> running;
    std::vector<std::uint64_t> tasks;  // that run
    std::vector<std::uint64_t> failures;
    for_each_seat([&](const seat& each) {
      if (each.running.number != 0 && !each.has_inputs) running.push_back(each.running);
    });
    {
      const std::scoped_lock lock(mutex_);
      slices.swap(without_text_);
      for (const attempt& each : running) tasks.push_back(index_of(each.task));
      for (const map_account::cause* const each : account_.without_inputs()) failures.push_back(each->first.index);
    }
    for (trace_slice& each : slices) each.inputs = text_of(each.index);
    std::vector<std::string> of_running;
    of_running.reserve(running.size());
    for (const std::uint64_t each : tasks) of_running.push_back(text_of(each));
    std::vector<std::string> of_failures;
    of_failures.reserve(failures.size());
    for (const std::uint64_t each : failures) of_failures.push_back(text_of(each));
    for (std::size_t k = 0; k < running.size(); ++k) {
      lane& of = lane_of(running[k].worker);
      const std::scoped_lock lock(of.mutex);
      seat& mine = seat_of(running[k].worker, of);
      if (mine.running.task != running[k].task || mine.running.number != running[k].number) continue;
      mine.inputs = std::move(of_running[k]);
      mine.has_inputs = true;
    }
    const std::scoped_lock lock(mutex_);
    for (const trace_slice& each : slices) events_.add(each);
    for (map_account::cause* const each : account_.without_inputs()) {
      const auto at = std::ranges::find(failures, each->first.index) - failures.begin();
      if (static_cast<std::size_t>(at) == failures.size()) continue;
      account_.set_inputs(*each, std::move(of_failures[static_cast<std::size_t>(at)]));
    }
  });
}

// ---- The thread that writes.

PARMAP_INLINE void map_recorder::serve() noexcept {
  std::unique_lock lock(mutex_);
  auto next = began_ + beat;
  while (!over_) {
    news_.wait_until(lock, next, [this] { return over_ || events_.waiting_bytes() > much; });
    if (over_) return;
    if (attempt::clock::now() >= next) next = attempt::clock::now() + beat;
    lock.unlock();
    look_at_running();
    lock.lock();
    write(map_end::not_yet, lock);
  }
}

PARMAP_INLINE void map_recorder::sample_rate() {
  const auto now = attempt::clock::now();
  if (!ended_before_.empty() && now - ended_before_.back().first < beat / 2) return;
  ended_before_.emplace_back(now, account_.completed() + account_.failed());
  if (ended_before_.size() > samples) ended_before_.pop_front();
}

template <class Visit>
void map_recorder::for_each_seat(const Visit& visit) {
  for (lane& each : lanes_) {
    const std::scoped_lock lock(each.mutex);
    for (seat& it : each.seats) visit(it);
  }
}

PARMAP_INLINE void map_recorder::look_at_running() noexcept {
  guarded([this] {
    std::vector<running_task> all;
    const auto now = attempt::clock::now();
    for (lane& each : lanes_) {
      const std::scoped_lock lock(each.mutex);
      with_account(each, [&] {
        for (seat& it : each.seats) {
          if (it.running.number == 0) continue;
          const std::uint64_t index = index_of(it.running.task);
          if (!it.has_inputs && asked_.texts == text_time::any) {
            it.inputs = text_of(index);
            it.has_inputs = true;
          }
          all.push_back({index, it.running.number, it.running.worker, now - it.running.began,
                         it.has_inputs ? it.inputs : std::string()});
        }
      });
    }
    std::ranges::sort(all, [](const auto& a, const auto& b) { return a.age > b.age; });
    const std::scoped_lock lock(mutex_);
    running_ = std::move(all);
  });
}

PARMAP_INLINE map_state map_recorder::state(map_end end) {
  const auto now = attempt::clock::now();
  map_state it{.heartbeat = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(),
               .elapsed = now - began_,
               .workers = workers_.load(std::memory_order_relaxed),
               .running = std::move(running_),
               .end = end};
  const std::uint64_t ended = account_.completed() + account_.failed();
  const auto rate_since = [&](attempt::clock::time_point since, std::uint64_t before) {
    const double seconds = std::chrono::duration<double>(now - since).count();
    return seconds > 0 ? static_cast<double>(ended - before) / seconds : 0;
  };
  if (end == map_end::not_yet && !ended_before_.empty())
    it.rate = rate_since(ended_before_.front().first, ended_before_.front().second);
  if (it.rate == 0) it.rate = rate_since(began_, 0);
  return it;
}

PARMAP_INLINE void map_recorder::note_error(const std::string& path, std::error_code why) noexcept {
  guarded([&] { error_ = path + ": " + why.message(); });
}

// Has the lock, but not while it writes.
PARMAP_INLINE void map_recorder::write(map_end end, std::unique_lock<std::mutex>& lock) noexcept {
  guarded([&] {
    const std::string events = events_.take();
    sample_rate();
    const std::string status = status_text(asked_.about, account_, state(end));
    lock.unlock();
    std::error_code of_trace;
    if (!is_incomplete_ && !events.empty()) of_trace = append_to_file(asked_.trace, events);
    if (of_trace) {
      is_incomplete_ = true;  // nothing may follow a gap
      note_error(asked_.trace, of_trace);
    }
    for (const std::string& each : asked_.status)
      if (const std::error_code why = replace_file(each, status); why && end != map_end::not_yet)
        note_error(each, why);  // earlier ones may be mended by the next
  });
  if (!lock.owns_lock()) lock.lock();
}

PARMAP_INLINE void map_recorder::add_text_of_slowest() {
  for (map_account::slow_task& each : account_.slowest()) {
    if (each.has_inputs) continue;
    each.inputs = text_of(each.task);
    each.has_inputs = true;
  }
}

PARMAP_INLINE void map_recorder::add_end_of_trace(map_end how) {
  add_text_of_slowest();
  events_.end_shared();
  events_.add_metadata("parmap_end", end_of_trace_text(asked_.about, account_, state(how), events_.left_out()));
}

PARMAP_INLINE void map_recorder::end(bool by_exception) noexcept {
  if (ended_) return;
  ended_ = true;
  if (generation_ != fork_generation()) {  // the thread is in another process
    thread_.detach();
    return;
  }
  {
    const std::scoped_lock lock(mutex_);
    over_ = true;
  }
  news_.notify_one();
  thread_.join();
  write_texts();
  take_all_ended();
  std::unique_lock lock(mutex_);
  running_.clear();
  const std::uint64_t ended = account_.completed() + account_.failed();
  const bool all = asked_.about.tasks ? *asked_.about.tasks == ended : true;
  const map_end how = by_exception ? map_end::exception : all ? map_end::complete : map_end::incomplete;
  guarded([&] {
    if (!asked_.trace.empty()) {
      add_end_of_trace(how);
      events_.end();
    }
  });
  write(how, lock);
  lock.unlock();
  if (lost_ && error_.empty()) guarded([this] { error_ = asked_.trace + ": there was no memory for a part of it"; });
  if (!error_.empty() && !asked_.is_silent)
    static_cast<void>(std::fprintf(stderr, "parmap: the trace or status file is incomplete: %s\n", error_.c_str()));
}

}  // namespace parmap::inline PARMAP_ABI::detail
