// SPDX-License-Identifier: MIT
// conductor: rank 0's part of a map: it compares the calls, gives out the tasks, and says when all is over.
#pragma once

#include <parmap/detail/cluster/agent_pace.hpp>
#include <parmap/detail/cluster/call_facts.hpp>
#include <parmap/detail/cluster/call_messages.hpp>
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

#include <algorithm>
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
        meter_(how.chosen.reporter, how.tasks) {}

  // ---- the meeting

  void take_hello(int from, message_reader in) {
    caller& it = here_[static_cast<std::size_t>(from)];
    it.came = true;
    ++came_;
    it.error = in.text();
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
    const std::string error = first_error();
    node_plan plan;
    if (error.empty()) {
      std::vector<host_facts> hosts;
      for (const caller& each : here_) hosts.push_back(each.host);
      plan = plan_nodes(hosts, how_.each_rank, how_.chosen.workers);
      if (!told && !how_.chosen.reporter.is_silent()) {
        say_on_stderr(describe_nodes(plan, here_.size(), how_.chosen.workers == 0));
        told = true;
      }
      // One without a task would start its workers in vain.
      if (plan.nodes.size() > how_.tasks) plan.nodes.resize(how_.tasks);
      agents_ = plan.nodes.size();
    }
    const std::uint64_t seed = how_.chosen.seed ? *how_.chosen.seed : fresh_seed();
    std::vector<const job_node*> of_agent(here_.size());
    for (const job_node& each : plan.nodes) of_agent[static_cast<std::size_t>(each.ranks.front())] = &each;
    for (std::size_t rank = 0; rank < here_.size(); ++rank) {
      message_writer to = new_message(map_, message_kind::start);
      to.put(error);
      to.put(std::uint64_t{is_disagreement_});
      to.put(seed);
      const job_node* const mine = of_agent[rank];
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
    const std::uint64_t left = how_.tasks - next_;
    if (halted_ || left == 0) return send_(from, new_message(map_, message_kind::nothing_left).take());
    // Towards the end ranges get smaller, so that all agents end together.
    const std::uint64_t share = std::max<std::uint64_t>(left / (2 * agents_), 1);
    const std::uint64_t fewest = std::max(least, how_.tasks / granted_ranges::most + 1);
    const std::uint64_t count = std::min(std::max(std::min(most, share), fewest), left);
    message_writer to = new_message(map_, message_kind::grant);
    to.put(next_);
    next_ += count;
    to.put(next_);
    send_(from, to.take());
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
    try {
      meter_.look(now_ticks(), completed_, failed_);
    } catch (const stop_now&) {
      halt(stop_requested_text);
    }
  }
  [[nodiscard]] bool all_done() const noexcept { return done_ == agents_; }
  // All agents are done.
  void finish_all() {
    if (error_.empty()) {
      add_stopped(failures_, next_, how_.tasks, why_halted_);
      sort_runs(failures_);
      std::uint64_t ended = completed_;
      for (const auto& [why, count] : failures_) ended += count;
      if (ended != how_.tasks)
        error_ = "parmap: " + std::to_string(how_.tasks) + " tasks were given out, but the ranks tell of " +
                 std::to_string(ended) + "; do all ranks run one program?";
    }
    for (std::size_t rank = 0; rank < here_.size(); ++rank) {
      message_writer to = new_message(map_, message_kind::finish);
      to.put(error_);
      if (error_.empty()) {
        put_failures(to, failures_);
        put_times(to, times_);
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
    std::string error{};
    host_facts host{};
    std::vector<call_fact> facts{};
    std::uint64_t completed{};
    std::uint64_t failed{};
  };

  std::string first_error() {
    for (std::size_t rank = 0; rank < here_.size(); ++rank) {
      const std::string who = "rank " + std::to_string(rank) + " (" + here_[rank].host.host + ')';
      if (!here_[rank].error.empty()) return "parmap: " + who + " cannot begin the map: " + here_[rank].error;
    }
    for (std::size_t rank = 1; rank < here_.size(); ++rank) {
      const std::string who = "rank " + std::to_string(rank) + " (" + here_[rank].host.host + ')';
      std::string text = difference(here_[0].facts, here_[rank].facts, who);
      is_disagreement_ = !text.empty();
      if (is_disagreement_) return text;
    }
    return {};
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
  lazy_meter meter_;
  std::size_t came_{};
  std::size_t agents_{1};
  std::size_t done_{};
  std::uint64_t next_{};       // the first task that nobody has been given
  std::uint64_t completed_{};  // by all agents, as far as they have told
  std::uint64_t failed_{};
  bool halted_{};
  bool is_disagreement_{};
  std::string why_halted_;
  std::string error_;
  failure_runs failures_;
  map_times times_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
