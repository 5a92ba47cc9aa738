// SPDX-License-Identifier: MIT
// The bodies of cluster_call.hpp. More than 400 lines: one class, as the three steps of a call share its messages.
#pragma once

#include <parmap/detail/cluster/agent_pace.hpp>
#include <parmap/detail/cluster/call_mailbox.hpp>
#include <parmap/detail/cluster/call_messages.hpp>
#include <parmap/detail/cluster/call_records.hpp>
#include <parmap/detail/cluster/cluster_call.hpp>
#include <parmap/detail/cluster/conductor.hpp>
#include <parmap/detail/cluster/library_handlers.hpp>
#include <parmap/detail/cluster/nap_pacer.hpp>
#include <parmap/detail/cluster/node_plan.hpp>
#include <parmap/detail/cluster/outcome_courier.hpp>
#include <parmap/detail/cluster/value_exchange.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/failure_runs.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class cluster_call::rank_side {
  using clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds longest_nap{10};

 public:
  rank_side(rank_link& link, crew_memory& memory, const call_settings& how, call_facts facts)
      : link_(link),
        memory_(memory),
        how_(how),
        facts_(std::move(facts)),
        map_(++memory.maps),
        mail_(link, memory, map_),
        begun_(clock::now()) {
    if (link.rank() == 0)
      leads_.emplace(how_, map_, link.size(), [this](int to, message_bytes bytes) { send(to, std::move(bytes)); });
  }

  // ---- the meeting

  void meet(const call_error& error) {
    message_writer hello = new_message(map_, message_kind::hello);
    put_error(hello, error);
    put_facts(hello, host_of_this_rank(link_.rank(), link_.size()), facts_.all());
    send(0, hello.take());
    const auto patience = patience_with_ranks();
    auto next_line = begun_ + patience;
    bool told_them = false;
    nap_pacer pace(longest_nap);
    while (!started_) {
      if (take_messages(nullptr)) {
        pace.reset();
        if (leads_ && leads_->all_came() && !std::exchange(called_start_, true)) {
          leads_->start_all(memory_.told_nodes);
          continue;
        }
      }
      if (started_) break;
      const auto now = clock::now();
      if (leads_ && !told_them && now >= begun_ + patience / 2) {
        told_them = true;
        leads_->tell_who_waits();
      }
      if (now >= next_line) {
        next_line = now + 6 * (now - begun_);
        say_who_is_missing();
      }
      pace.nap();
    }
    if (no_start_.text.empty()) return;
    mail_.finish_sends();
    no_start_.raise();
  }

  // ---- the tasks

  void run(agent_work& work) {
    if (workers_ > 0) {
      std::string error;
      try {
        run_tasks(work);
      } catch (const abandoned&) {
        work.abandon();
      } catch (...) {
        thrown_ = std::current_exception();
        error = describe_or_give_up().message;
        if (error.empty()) error = "out of memory";
        work.abandon();
      }
      tell_done(work, error);
    }
    wait_for_finish(work);
    if (thrown_) std::rethrow_exception(thrown_);
    if (!error_.empty()) throw std::runtime_error("parmap: the map has ended on all ranks, because of " + error_);
  }

  // ---- the values

  void gather(agent_work& work) {
    if (how_.target == value_target::nowhere_else) return;
    const bool to_all = how_.target == value_target::every_rank;
    const auto pull = [&] { static_cast<void>(take_messages(&work, true)); };
    std::uint64_t here = 0;
    if (!to_all && link_.rank() == 0)
      here = (workers_ > 0 ? work.completed() : 0) + (how_.records != nullptr ? how_.records->stored_values() : 0);
    value_exchange(mail_, link_, map_, to_all, pieces_).run(work, how_.tasks - failures_.size(), here, pull);
  }

  [[nodiscard]] auto seed() const noexcept { return orders_.seed; }
  [[nodiscard]] auto& failures() const noexcept { return failures_; }
  [[nodiscard]] bool has_times() const noexcept { return orders_.times; }
  [[nodiscard]] auto& times() const noexcept { return times_; }
  [[nodiscard]] auto& stored() const noexcept { return stored_; }
  [[nodiscard]] bool is_partial() const noexcept {
    return link_.size() > 1 &&
           (how_.target == value_target::nowhere_else || (how_.target == value_target::rank_0 && link_.rank() != 0));
  }
  [[nodiscard]] failure_list absent(const agent_work& work) const {
    if (!is_partial()) return failures_;
    failure_runs all;
    const auto add_gap = [&all](std::uint64_t b, std::uint64_t e) {
      if (b < e) all.emplace_back(failure{b, failure_kind::stopped}, e - b);
    };
    std::uint64_t from = 0;
    if (how_.target == value_target::nowhere_else) {
      auto ranges = work.ranges();
      std::ranges::sort(ranges);
      for (const auto& [b, e] : ranges) {
        add_gap(from, b);
        from = e;
        // Of the tasks here, those that have failed.
        auto [first, last] = std::pair(b, b);
        for (std::uint64_t at = b; at < e; at = last) {
          std::tie(first, last) = failures_.next_gap(at, e);
          add_gap(at, first);
          if (first >= last) break;
        }
      }
    }
    add_gap(from, how_.tasks);
    return failure_list(std::move(all));
  }

 private:
  struct abandoned {};

  // ---- messages

  void send(int to, message_bytes bytes) { mail_.send(to, std::move(bytes)); }
  // Takes what has come. Whether there was anything. `one_piece`: until there is a piece.
  bool take_messages(agent_work* work, bool one_piece = false) {
    bool any = false;
    while (auto next = mail_.next()) {
      any = true;
      message_reader in(next->bytes);
      static_cast<void>(in.number());
      const auto kind = static_cast<message_kind>(in.number());
      if (kind == message_kind::piece) {
        pieces_.push_back(std::move(next->bytes));
        if (one_piece) break;
      } else {
        take(next->from, kind, in, work);
        if (kind == message_kind::outcomes) break;  // it takes time, and this rank has tasks of its own
      }
    }
    return any;
  }
  void take(int from, message_kind kind, message_reader& in, agent_work* work) {
    switch (kind) {
      case message_kind::hello: return leads_->take_hello(from, in);
      case message_kind::wish: return leads_->take_wish(from, in);
      case message_kind::stop: return leads_->halt(stop_requested_text);
      case message_kind::done: return leads_->take_done(from, in);
      case message_kind::outcomes: return leads_->take_outcomes(from, in);
      case message_kind::waits: rank_0_waits_ = true; return;
      case message_kind::start: return take_start(in);
      case message_kind::grant: {
        asked_ = false;
        std::uint64_t granted = 0;
        while (in.left() > 0) {
          task_run next;
          next.index = in.number();
          next.stream = in.number();
          next.count = in.number();
          granted += next.count;
          if (work != nullptr && !is_done_) work->add(next);
        }
        pace_->was_granted(granted);
        return;
      }
      case message_kind::nothing_left:
        asked_ = false;
        nothing_left_ = true;
        return;
      case message_kind::halt: {
        const std::string why = in.text();
        told_stop_ = true;
        if (work != nullptr && !is_done_) work->halt(why);
        return;
      }
      case message_kind::abandon: abandoned_ = true; return;
      case message_kind::finish: return take_finish(in);
      case message_kind::piece: return;
    }
  }
  void take_start(message_reader& in) {
    started_ = true;
    no_start_ = get_error(in);
    orders_.seed = in.number();
    orders_.times = in.number() != 0;
    if (in.number() != 0) {
      if (leads_) {
        orders_.tell = how_.records;
      } else {
        courier_.emplace(mail_, link_, map_);
        orders_.tell = &*courier_;
      }
    }
    orders_.tell_values = in.number() != 0;
    agents_ = in.number();
    workers_ = orders_.workers = static_cast<unsigned>(in.number());
    mask_.resize(in.number());
    for (unsigned long& word : mask_) word = in.number();
  }
  void take_finish(message_reader& in) {
    finished_ = true;
    error_ = in.text();
    if (!error_.empty()) return;
    failure_runs all;
    add_failures(in, all);
    failures_ = failure_list(std::move(all));
    times_ = get_times(in);
    times_.elapsed = clock::now() - begun_;
    stored_.count = in.number();
    while (in.left() > 0) stored_.others.push_back(in.number());
  }
  void say_who_is_missing() const {
    std::string whom;
    if (leads_) {
      const auto all = leads_->missing();
      whom = (all.size() == 1 ? "rank " : "ranks ") + describe_ranks(all);
    } else {
      // So that a thousand ranks do not write a thousand lines.
      const auto rank = static_cast<unsigned>(link_.rank());
      if (rank_0_waits_ || (rank & (rank - 1)) != 0) return;
      whom = "rank 0";
    }
    say_on_stderr("parmap: rank " + std::to_string(link_.rank()) + " waits in map #" + std::to_string(map_) + " (" +
                  how_.site + ") for " + whom + '\n');
  }

  // ---- an agent

  void run_tasks(agent_work& work) {
    const wider_affinity on_all_cores(mask_);
    // Not zero, which would be refused: what has passed is seen at once.
    if (how_.chosen.deadline)
      orders_.left = std::max<std::chrono::nanoseconds>(*how_.chosen.deadline - (clock::now() - begun_),
                                                        std::chrono::nanoseconds(1));
    pace_.emplace(workers_, agents_);
    {
      const library_handlers_set_aside while_forking;
      work.open(orders_);
    }
    const auto longest = leads_ && !leads_->is_alone() ? std::chrono::milliseconds(1) : longest_nap;
    const std::chrono::milliseconds longest_rest(leads_ && !leads_->is_alone() ? 1 : 4);  // others wait for rank 0
    nap_pacer naps(longest);
    auto told = clock::now();
    for (bool ended = false;;) {
      bool any = take_messages(&work);
      if (abandoned_) throw abandoned();
      const std::uint64_t before = work.completed() + work.failed();
      const auto now = clock::now();
      pace_->look(now, before);
      if (nothing_left_ && !std::exchange(ended, true)) work.end();
      if (!ended && !asked_ && pace_->wants()) {
        ask(work, pace_->next());
        told = now;
        any = any || leads_;
      } else if (now - told > std::chrono::milliseconds(100)) {
        ask(work, {});
        told = now;
      }
      tell_stop();
      if (leads_) leads_->look();
      if (any) naps.reset();
      if (asked_ && pace_->open() == 0 && naps.is_awake()) {  // its workers have nothing to do until there is an answer
        std::this_thread::yield();
        continue;
      }
      std::chrono::nanoseconds patience = mail_.own() == 0 ? naps.next() : std::chrono::nanoseconds(0);
      if (leads_) patience = std::min(patience, leads_->until_next_look());
      if (courier_ && !courier_->advance(now)) {
        std::this_thread::sleep_for(patience);
        continue;
      }
      const agent_step came_to = work.step(patience);
      if (came_to == agent_step::has_ended) break;
      if (work.completed() + work.failed() == before) continue;
      naps.reset();
      if (came_to == agent_step::takes_more) continue;
      const auto rest = pace_->rest(work.room(), longest_rest);
      if (rest > std::chrono::microseconds(20) && mail_.own() == 0) std::this_thread::sleep_for(rest);
    }
    // The engine may have halted by itself, and a range may be on its way.
    for (nap_pacer pace(longest); asked_ && !abandoned_; pace.nap()) static_cast<void>(take_messages(&work));
    if (abandoned_) throw abandoned();
    work.settle();
    if (courier_) courier_->flush();
    stopped_by_itself_ = !nothing_left_;
  }
  void ask(const agent_work& work, const agent_pace::wish& it) {
    message_writer to = new_message(map_, message_kind::wish);
    to.put(work.completed());
    to.put(work.failed());
    to.put(it.most);
    to.put(it.least);
    asked_ = asked_ || it.most > 0;
    send(0, to.take());
  }
  void tell_done(agent_work& work, std::string error) {
    is_done_ = true;
    failure_runs failures;
    map_times times;
    if (error.empty() && !abandoned_) try {
        failures = work.take_failures();
        if (orders_.times) times = work.times();
      } catch (...) {
        thrown_ = std::current_exception();
        error = "the failures of its tasks: " + describe_or_give_up().message;
        failures.clear();
      }
    message_writer to = new_message(map_, message_kind::done);
    to.put(work.completed());
    to.put(work.failed());
    to.put(error);
    to.put(stopped_by_itself_ && !told_stop_ ? work.why_stopped() : std::string());
    put_failures(to, failures);
    put_times(to, times);
    send(0, to.take());
  }
  void wait_for_finish(agent_work& work) {
    // The cores of an agent that is done are free, and its values are wanted. Other ranks are many, and have none.
    nap_pacer naps(leads_ || workers_ > 0 ? std::chrono::milliseconds(1) : longest_nap);
    for (bool called = false; !finished_;) {
      try {
        if (take_messages(&work)) naps.reset();
      } catch (...) {  // no memory for an outcome of another rank
        if (!leads_) throw;
        fail_late();
      }
      if (finished_) break;
      if (leads_) try {
          leads_->look();
        } catch (...) {
          fail_late();
        }
      if (leads_ && leads_->all_done() && !std::exchange(called, true)) {
        try {
          leads_->show_end();
          leads_->finish_records();
        } catch (...) {
          fail_late();
        }
        leads_->finish_all();
        continue;
      }
      tell_stop();
      naps.nap();
    }
    mail_.finish_sends();
  }
  void tell_stop() {
    if (how_.chosen.stop.stop_requested() && !std::exchange(told_stop_, true))
      send(0, new_message(map_, message_kind::stop).take());
  }
  // The reporter or the store has thrown after this rank's own tasks had ended.
  void fail_late() {
    if (thrown_) return;
    thrown_ = std::current_exception();
    leads_->fail(describe_or_give_up().message);
  }

  rank_link& link_;
  crew_memory& memory_;
  call_settings how_;
  call_facts facts_;
  std::uint64_t map_;
  call_mailbox mail_;
  clock::time_point begun_;
  std::optional<conductor> leads_;  // on rank 0
  std::deque<message_bytes> pieces_;
  bool started_{};
  bool called_start_{};
  bool rank_0_waits_{};
  call_error no_start_;
  std::string error_;
  agent_orders orders_;
  std::uint64_t agents_{};
  unsigned workers_{};  // 0: this rank is no agent
  std::optional<outcome_courier> courier_;
  std::vector<unsigned long> mask_;
  std::optional<agent_pace> pace_;
  bool asked_{};
  bool nothing_left_{};
  bool abandoned_{};
  bool told_stop_{};
  bool stopped_by_itself_{};
  bool is_done_{};
  bool finished_{};
  std::exception_ptr thrown_;
  failure_list failures_;
  map_times times_;
  stored_tasks stored_;
};

PARMAP_INLINE cluster_call::cluster_call(rank_link& link, crew_memory& memory, const call_settings& how,
                                         call_facts facts)
    : mine_(std::make_unique<rank_side>(link, memory, how, std::move(facts))) {}
PARMAP_INLINE cluster_call::~cluster_call() = default;
PARMAP_INLINE void cluster_call::meet(const call_error& error) { mine_->meet(error); }
PARMAP_INLINE void cluster_call::run(agent_work& work) { mine_->run(work); }
PARMAP_INLINE void cluster_call::gather(agent_work& work) { mine_->gather(work); }
PARMAP_INLINE std::uint64_t cluster_call::seed() const noexcept { return mine_->seed(); }
PARMAP_INLINE const failure_list& cluster_call::failures() const noexcept { return mine_->failures(); }
PARMAP_INLINE bool cluster_call::has_times() const noexcept { return mine_->has_times(); }
PARMAP_INLINE const map_times& cluster_call::times() const noexcept { return mine_->times(); }
PARMAP_INLINE const stored_tasks& cluster_call::stored() const noexcept { return mine_->stored(); }
PARMAP_INLINE failure_list cluster_call::absent(const agent_work& work) const { return mine_->absent(work); }
PARMAP_INLINE bool cluster_call::is_partial() const noexcept { return mine_->is_partial(); }

}  // namespace parmap::inline PARMAP_ABI::detail
