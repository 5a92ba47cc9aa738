// SPDX-License-Identifier: MIT
// conductor: rank 0's part of a map: it compares the calls, gives out the tasks, and says when all is over.
#pragma once

#include <parmap/detail/cluster/agent_pace.hpp>
#include <parmap/detail/cluster/call_error.hpp>
#include <parmap/detail/cluster/call_facts.hpp>
#include <parmap/detail/cluster/call_messages.hpp>
#include <parmap/detail/cluster/call_records.hpp>
#include <parmap/detail/cluster/call_settings.hpp>
#include <parmap/detail/cluster/granted_ranges.hpp>
#include <parmap/detail/cluster/node_plan.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/time_keeper.hpp>
#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/schedule/deadline.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/fresh_seed.hpp>
#include <parmap/results.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

inline void put_facts(message_writer& to, const host_facts& host, const std::vector<call_fact>& facts) {
  to.put(host.host);
  to.put(host.key);
  to.put(std::uint64_t{host.mask.size()});
  for (const unsigned long word : host.mask) to.put(std::uint64_t{word});
  to.put(static_cast<std::uint64_t>(host.quota * 1000));
  to.put(std::uint64_t{host.allocated});
  to.put(std::uint64_t{facts.size()});
  for (const call_fact& each : facts) {
    to.put(each.name);
    to.put(each.value);
    to.put(std::uint64_t{each.is_digest});
  }
}

class conductor {
 public:
  // post(to, message) sends to any rank, also to rank 0.
  using post = std::function<void(int, message_bytes)>;

  conductor(const call_settings& how, std::uint64_t map, int ranks, post send)
      : how_(how),
        map_(map),
        here_(static_cast<std::size_t>(ranks)),
        send_(std::move(send)),
        last_(how.chosen.deadline),
        tasks_(how.tasks),
        meter_(how.chosen.reporter, how.tasks) {}

  // ---- the meeting

  void take_hello(int from, message_reader in) {
    caller& it = here_[static_cast<std::size_t>(from)];
    it.came = true;
    ++came_;
    it.error = get_error(in);
    it.host.host = in.text();
    it.host.key = in.text();
    it.host.mask.resize(in.number());
    for (unsigned long& word : it.host.mask) word = in.number();
    it.host.quota = static_cast<double>(in.number()) / 1000;
    it.host.allocated = static_cast<unsigned>(in.number());
    it.facts.resize(in.number());
    for (call_fact& each : it.facts) {
      each.name = in.text();
      each.value = in.text();
      each.is_digest = in.number() != 0;
    }
  }
  [[nodiscard]] bool all_came() const noexcept { return came_ == here_.size(); }
  [[nodiscard]] std::vector<int> missing() const {
    std::vector<int> all;
    for (std::size_t rank = 0; rank < here_.size(); ++rank)
      if (!here_[rank].came) all.push_back(static_cast<int>(rank));
    return all;
  }
  // Those that have come need not say that rank 0 is missing.
  void tell_who_waits() {
    for (std::size_t rank = 1; rank < here_.size(); ++rank)
      if (here_[rank].came) send_(static_cast<int>(rank), new_message(map_, message_kind::waits).take());
  }
  // All have come. `told`: whether it has been said which machines there are; it is now.
  void start_all(bool& told) {
    call_error error = first_error();
    if (error.text.empty() && how_.records != nullptr) error = open_records();
    node_plan plan;
    if (error.text.empty()) {
      std::vector<host_facts> hosts;
      for (const caller& each : here_) hosts.push_back(each.host);
      plan = plan_nodes(hosts, how_.each_rank, how_.chosen.workers);
      if (!told && !how_.chosen.reporter.is_silent()) {
        say_on_stderr(describe_nodes(plan, here_.size(), how_.chosen.workers == 0));
        told = true;
      }
      // One without a task would start its workers in vain.
      if (plan.nodes.size() > tasks_) plan.nodes.resize(tasks_);
      agents_ = plan.nodes.size();
      all_workers_ = 0;
      for (const job_node& each : plan.nodes) {
        here_[static_cast<std::size_t>(each.ranks.front())].workers = each.workers;
        all_workers_ += each.workers;
      }
      if (how_.records != nullptr) tell_records(plan);
    }
    const bool stores = error.text.empty() && how_.records != nullptr && how_.records->has_store();
    const std::uint64_t seed = stores ? how_.records->seed() : how_.chosen.seed ? *how_.chosen.seed : fresh_seed();
    std::vector<const job_node*> of_agent(here_.size());
    for (const job_node& each : plan.nodes) of_agent[static_cast<std::size_t>(each.ranks.front())] = &each;
    for (std::size_t rank = 0; rank < here_.size(); ++rank) {
      message_writer to = new_message(map_, message_kind::start);
      put_error(to, error);
      to.put(seed);
      to.put(std::uint64_t{how_.chosen.times});
      to.put(std::uint64_t{how_.records != nullptr});
      to.put(std::uint64_t{stores});
      const job_node* const mine = of_agent[rank];
      to.put(std::uint64_t{agents_});
      to.put(std::uint64_t{mine != nullptr ? mine->workers : 0});
      to.put(std::uint64_t{mine != nullptr ? mine->mask.size() : 0});
      if (mine != nullptr)
        for (const unsigned long word : mine->mask) to.put(std::uint64_t{word});
      send_(static_cast<int>(rank), to.take());
    }
  }

  // ---- the tasks

  void take_wish(int from, message_reader in) {
    take_counts(from, in);
    const std::uint64_t most = in.number();
    const std::uint64_t least = in.number();
    if (most == 0) return;  // it only tells how far it is
    if (!halted_ && last_.is_set() && deadline::clock::now() >= last_.begin_no_more()) halt(deadline_text);
    const std::uint64_t left = tasks_ - next_;
    if (halted_ || left == 0) return send_(from, new_message(map_, message_kind::nothing_left).take());
    caller& it = here_[static_cast<std::size_t>(from)];
    const double part = it.workers / all_workers_;
    const std::uint64_t held = it.granted - std::min(it.granted, it.completed + it.failed);
    const auto beyond = [held](double all) { return static_cast<std::uint64_t>(std::max(all - double(held), 0.0)); };
    // An agent holds at most half of its part of what nobody has. So ranges get smaller, and all agents end together.
    const std::uint64_t fair = beyond(part * static_cast<double>(left) / 2);
    // Where its workers would wait it gets more, but no more than its part of all that has not ended.
    const std::uint64_t even = beyond(std::ceil(part * static_cast<double>(tasks_ - (completed_ + failed_))));
    // A 512th is little even if the agent does not know yet how long tasks take, and saves it some questions.
    std::uint64_t count =
        std::max({std::min(most, fair), fair / 512, std::min(least, std::max<std::uint64_t>(even, 1))});
    if (count > 0) count = std::min(std::max(count, tasks_ / granted_ranges::most + 1), left);
    it.granted += count;
    message_writer to = new_message(map_, message_kind::grant);
    for (const task_run& each : runs(next_, next_ + count)) {
      to.put(each.index);
      to.put(each.stream);
      to.put(each.count);
    }
    next_ += count;
    send_(from, to.take());
  }
  void take_outcomes(int from, message_reader body) {
    how_.records->take(here_[static_cast<std::size_t>(from)].agent, body);
  }
  void take_done(int from, message_reader in) {
    take_counts(from, in);
    caller& it = here_[static_cast<std::size_t>(from)];
    ++done_;
    it.done = true;
    const std::string error = in.text();
    const std::string why_stopped = in.text();
    if (!error.empty()) fail("rank " + std::to_string(from) + " (" + it.host.host + "): " + error);
    if (!why_stopped.empty()) halt(why_stopped);
    add_failures(in, failures_);
    merge(get_times(in));
  }
  // The map ends on all ranks, with this error.
  void fail(const std::string& error) {
    if (!error_.empty()) return;
    error_ = error;
    halted_ = true;
    for (std::size_t rank = 0; rank < here_.size(); ++rank)
      if (!here_[rank].done) send_(static_cast<int>(rank), new_message(map_, message_kind::abandon).take());
  }
  // Begin no further task.
  void halt(const std::string& why) {
    if (std::exchange(halted_, true)) return;
    why_halted_ = why;
    for (std::size_t rank = 0; rank < here_.size(); ++rank) {
      if (here_[rank].done) continue;
      message_writer to = new_message(map_, message_kind::halt);
      to.put(why);
      send_(static_cast<int>(rank), to.take());
    }
  }
  // Shows the progress. What the reporter throws passes.
  void look() {
    if (how_.chosen.max_failures && failed_ >= *how_.chosen.max_failures) halt(max_failures_text);
    if (how_.records != nullptr && how_.records->has_failed()) halt("the store has failed");
    try {
      meter_.look(now_ticks(), completed_, failed_);
    } catch (const stop_now&) {
      halt(stop_requested_text);
    }
  }
  [[nodiscard]] bool all_done() const noexcept { return done_ == agents_; }
  // Waits until all that was told is written. Throws store_failed.
  void finish_records() {
    if (how_.records != nullptr && error_.empty()) how_.records->finish();
  }
  // All agents are done, and all is written.
  void finish_all() {
    stored_tasks stored;
    if (error_.empty()) {
      if (next_ < tasks_)
        for (const task_run& each : runs(next_, tasks_))
          add_stopped(failures_, each.index, each.index + each.count, why_halted_);
      std::uint64_t ended = completed_;
      for (const auto& [why, count] : failures_) ended += count;
      if (ended != tasks_)
        error_ = "parmap: " + std::to_string(tasks_) + " tasks were given out, but the ranks tell of " +
                 std::to_string(ended) + "; do all ranks run one program?";
      if (how_.records != nullptr) {
        stored = how_.records->stored();
        for (const auto& each : how_.records->stored_failures()) failures_.push_back(each);
      }
      sort_runs(failures_);
    }
    for (std::size_t rank = 0; rank < here_.size(); ++rank) {
      message_writer to = new_message(map_, message_kind::finish);
      to.put(error_);
      if (error_.empty()) {
        put_failures(to, failures_);
        put_times(to, times_);
        to.put(stored.count);
        for (const std::uint64_t word : stored.others) to.put(word);
      }
      send_(static_cast<int>(rank), to.take());
    }
  }
  // The last report. What the reporter throws passes.
  void show_end() {
    try {
      meter_.finish(completed_, failed_);
    } catch (const stop_now&) {  // NOLINT(bugprone-empty-catch): it has ended
    }
  }
  [[nodiscard]] std::chrono::nanoseconds until_next_look() { return meter_.wait(); }
  [[nodiscard]] bool is_alone() const noexcept { return agents_ == 1; }

 private:
  struct caller {
    bool came{};
    bool done{};
    call_error error{};
    std::size_t agent{};  // its place among the agents
    host_facts host{};
    std::vector<call_fact> facts{};
    unsigned workers{};       // of an agent
    std::uint64_t granted{};  // tasks that it was given
    std::uint64_t completed{};
    std::uint64_t failed{};
  };

  call_error first_error() {
    for (std::size_t rank = 0; rank < here_.size(); ++rank) {
      const std::string who = "rank " + std::to_string(rank) + " (" + here_[rank].host.host + ')';
      if (!here_[rank].error.text.empty())
        return {"parmap: " + who + " cannot begin the map: " + here_[rank].error.text, here_[rank].error.kind};
    }
    for (std::size_t rank = 1; rank < here_.size(); ++rank) {
      const std::string who = "rank " + std::to_string(rank) + " (" + here_[rank].host.host + ')';
      std::string text = difference(here_[0].facts, here_[rank].facts, who);
      if (!text.empty()) return {std::move(text), call_error::kind_type::invalid_argument};
    }
    return {};
  }
  call_error open_records() {
    tell_who_waits();  // it may take long
    try {
      how_.records->open();
    } catch (...) {
      return call_error::of_current();
    }
    tasks_ = how_.records->left();
    meter_.set_total(tasks_);
    return {};
  }
  void tell_records(const node_plan& plan) {
    std::vector<std::pair<std::string, unsigned>> agents;
    for (const job_node& each : plan.nodes) {
      const int rank = each.ranks.front();
      here_[static_cast<std::size_t>(rank)].agent = agents.size();
      agents.emplace_back(here_.size() > 1 ? "rank " + std::to_string(rank) + " on " + each.host : std::string(),
                          each.workers);
    }
    how_.records->note_agents(std::move(agents));
  }
  // The tasks that are given out, from b to e.
  [[nodiscard]] std::vector<task_run> runs(std::uint64_t b, std::uint64_t e) const {
    return how_.records != nullptr ? how_.records->runs(b, e) : std::vector<task_run>{{b, b, e - b}};
  }
  void take_counts(int from, message_reader& in) {
    caller& it = here_[static_cast<std::size_t>(from)];
    const std::uint64_t completed = in.number();
    const std::uint64_t failed = in.number();
    completed_ += completed - std::exchange(it.completed, completed);
    failed_ += failed - std::exchange(it.failed, failed);
  }
  void merge(map_times more) {
    times_.busy += more.busy;
    times_.workers += more.workers;
    for (task_time& each : more.slowest) times_.slowest.push_back(std::move(each));
    std::ranges::sort(times_.slowest, [](const task_time& a, const task_time& b) {
      return a.took != b.took ? a.took > b.took : a.index < b.index;
    });
    if (times_.slowest.size() > time_keeper::most_kept) times_.slowest.resize(time_keeper::most_kept);
  }

  const call_settings& how_;
  std::uint64_t map_;
  std::vector<caller> here_;
  post send_;
  deadline last_;
  std::uint64_t tasks_;  // that are given out: all without a stored outcome
  lazy_meter meter_;
  std::size_t came_{};
  std::size_t agents_{1};
  double all_workers_{1};
  std::size_t done_{};
  std::uint64_t next_{};       // the first task that nobody has been given
  std::uint64_t completed_{};  // by all agents, as far as they have told
  std::uint64_t failed_{};
  bool halted_{};
  std::string why_halted_;
  std::string error_;
  failure_runs failures_;
  map_times times_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
