// SPDX-License-Identifier: MIT
// How rank 0 gives out the tasks of a map on a cluster, and when agents ask: agent_pace and conductor, without messages
// between processes, and in a time of their own.
#include <gtest/gtest.h>
#include <parmap/detail/cluster/agent_pace.hpp>
#include <parmap/detail/cluster/conductor.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace {

TEST(cluster_pace, asks_for_a_task_of_each_worker_first_and_for_none_ahead_where_tasks_are_long) {
  parmap::detail::agent_pace pace(4, 2);
  const auto begun = parmap::detail::agent_pace::clock::now();
  EXPECT_TRUE(pace.wants());
  EXPECT_EQ(pace.next().most, 4U);
  pace.was_granted(4);
  EXPECT_FALSE(pace.wants());
  pace.look(begun + std::chrono::seconds(10), 0);
  EXPECT_FALSE(pace.wants());
  pace.look(begun + std::chrono::seconds(20), 1);
  EXPECT_TRUE(pace.wants());
  EXPECT_EQ(pace.next().most, 1U);
}

TEST(cluster_pace, takes_long_tasks_that_end_together_for_no_short_ones) {
  parmap::detail::agent_pace pace(32, 2);
  const auto begun = parmap::detail::agent_pace::clock::now();
  for (std::uint64_t ended = 0; ended < 320; ended += 32) {  // each takes a second; the agent looks 100 times a second
    if (pace.wants()) pace.was_granted(pace.next().most);
    for (std::uint64_t step = 1; step <= 100; ++step) {
      const std::uint64_t seen = step < 100 ? ended : ended + 32;
      pace.look(begun + std::chrono::seconds(ended / 32) + std::chrono::milliseconds(10 * step), seen);
      EXPECT_EQ(pace.next().least, pace.open() < 16 ? 32 - pace.open() : 0) << "of each worker without a task";
      EXPECT_LE(pace.next().most, 3 * 32U);
    }
  }
}

TEST(cluster_pace, asks_for_a_quarter_of_a_second_where_tasks_are_short) {
  parmap::detail::agent_pace pace(2, 2);
  const auto begun = parmap::detail::agent_pace::clock::now();
  std::uint64_t ended = 0;
  for (int step = 1; step <= 12; ++step) {  // 1000 tasks each ms
    if (pace.wants()) pace.was_granted(pace.next().most);
    ended += std::min<std::uint64_t>(pace.open(), 5000);
    pace.look(begun + std::chrono::milliseconds(5 * step), ended);
  }
  EXPECT_GE(pace.open(), 100'000U);
  EXPECT_LE(pace.open(), 1'000'000U);
}

TEST(cluster_pace, asks_for_no_more_at_once_if_rank_0_keeps_tasks_for_others) {
  parmap::detail::agent_pace pace(1, 2);
  const auto begun = parmap::detail::agent_pace::clock::now();
  std::uint64_t ended = 0;
  for (int step = 1; step <= 20; ++step) {  // 10 tasks each ms
    if (pace.wants()) pace.was_granted(pace.next().most);
    ended += std::min<std::uint64_t>(pace.open(), 50);
    pace.look(begun + std::chrono::milliseconds(5 * step), ended);
  }
  while (pace.wants()) pace.was_granted(pace.next().most);
  while (!pace.wants()) pace.look(begun + std::chrono::milliseconds(100), ended += 10);
  EXPECT_GT(pace.next().most, 1000U);
  EXPECT_EQ(pace.next().least, 0U) << "no worker would wait";
  pace.was_granted(100);
  const std::uint64_t open = pace.open();
  ASSERT_GT(open, 1000U);
  while (!pace.wants()) pace.look(begun + std::chrono::milliseconds(100), ended += 10);
  EXPECT_LE(pace.open(), open / 2);
  EXPECT_GT(pace.open(), open / 2 - 20);
  pace.was_granted(0);
  while (pace.open() > 25) pace.look(begun + std::chrono::milliseconds(100), ended += 10);
  EXPECT_TRUE(pace.wants()) << "what is left takes as long as an answer";
  EXPECT_GT(pace.next().least, 0U);
}

// Rank 0 of a map. `workers`: of each agent.
class rank_0 {
 public:
  rank_0(std::uint64_t tasks, const std::vector<unsigned>& workers)
      : how_{.chosen = chosen_, .tasks = tasks},
        leads_(how_, 1, static_cast<int>(workers.size()),
               [this](int, const parmap::detail::message_bytes& bytes) { note(bytes); }) {
    for (std::size_t rank = 0; rank < workers.size(); ++rank) {
      parmap::detail::message_writer hello;
      parmap::detail::put_error(hello, {});
      parmap::detail::put_facts(hello, {.key = std::to_string(rank), .mask = {~0UL >> (64 - workers[rank])}}, {});
      const parmap::detail::message_bytes bytes = hello.take();
      leads_.take_hello(static_cast<int>(rank), parmap::detail::message_reader(bytes));
    }
    bool told = true;
    leads_.start_all(told);
  }

  // The number of tasks that the rank is granted.
  std::uint64_t wish(std::size_t rank, std::uint64_t completed, std::uint64_t most, std::uint64_t least) {
    parmap::detail::message_writer to;
    for (const std::uint64_t number : {completed, std::uint64_t{0}, most, least}) to.put(number);
    const parmap::detail::message_bytes bytes = to.take();
    granted_ = 0;
    leads_.take_wish(static_cast<int>(rank), parmap::detail::message_reader(bytes));
    return granted_;
  }
  [[nodiscard]] bool has_nothing_left() const noexcept { return nothing_left_; }

 private:
  void note(const parmap::detail::message_bytes& bytes) {
    parmap::detail::message_reader in(bytes);
    static_cast<void>(in.number());
    const auto kind = static_cast<parmap::detail::message_kind>(in.number());
    nothing_left_ = nothing_left_ || kind == parmap::detail::message_kind::nothing_left;
    if (kind != parmap::detail::message_kind::grant) return;
    while (in.left() > 0) {
      static_cast<void>(in.read(2 * sizeof(std::uint64_t)));
      granted_ += in.number();
    }
  }

  const parmap::options chosen_{.reporter = parmap::report::silent, .seed = 1};
  parmap::detail::call_settings how_;
  std::uint64_t granted_{};
  bool nothing_left_{};
  parmap::detail::conductor leads_;
};

TEST(cluster_share, of_an_agent_is_at_most_half_of_its_part_of_what_is_left_however_often_it_asks) {
  rank_0 leads(10'000, {1, 1});
  EXPECT_EQ(leads.wish(0, 0, 10'000, 0), 2500U);
  for (int time = 0; time < 5; ++time) EXPECT_EQ(leads.wish(0, 0, 10'000, 0), 0U);
  EXPECT_EQ(leads.wish(1, 0, 10'000, 1), 1875U);
  EXPECT_EQ(leads.wish(0, 2500, 10'000, 1), 1406U) << "it has ended what it had";
  EXPECT_EQ(leads.wish(0, 2500, 10'000, 2000), 2000U) << "its workers would wait";
}

TEST(cluster_share, is_even_where_there_are_fewer_tasks_than_workers) {
  rank_0 leads(100, {64, 64});
  EXPECT_EQ(leads.wish(0, 0, 64, 64), 50U);
  EXPECT_EQ(leads.wish(1, 0, 64, 64), 50U);
}

TEST(cluster_share, of_the_first_answer_is_little_but_not_one_task) {
  rank_0 leads(1'000'000, {1, 1});
  EXPECT_EQ(leads.wish(0, 0, 1, 1), 1'000'000U / 4 / 512);
}

TEST(cluster_share, goes_by_the_number_of_workers) {
  rank_0 leads(10'000, {3, 1});
  EXPECT_EQ(leads.wish(0, 0, 10'000, 1), 3750U);
  EXPECT_EQ(leads.wish(1, 0, 10'000, 1), 781U);
}

// ---- Whole maps, in steps of 0.1 ms. A message is on its way for 0.5 ms, and an agent looks once in a ms. The first
// agent is that of rank 0, whose messages take no time, and which begins 3 ms before the others.

struct map_run {
  double shortest{};  // s, until the first agent has ended its last task
  double longest{};   // and the last one
  double best{};      // no scheduler could be faster
  std::uint64_t wishes{};
  std::uint64_t tasks{};
};

// seconds(agent, k): of the k-th task that this agent runs.
map_run run_map(std::uint64_t tasks, const std::vector<unsigned>& workers,
                const std::function<double(std::size_t, std::uint64_t)>& seconds) {
  using clock = parmap::detail::agent_pace::clock;
  struct agent {
    parmap::detail::agent_pace pace;
    clock::time_point zero;
    std::vector<double> ends;  // of what each worker runs; negative: nothing
    std::uint64_t granted{};
    std::uint64_t begun{};
    std::uint64_t ended{};
    double answer_at{-1};  // when the answer comes; negative: none is on its way
    std::uint64_t answer{};
    bool has_all{};
    double last{};
  };
  constexpr double step = 1e-4;
  rank_0 leads(tasks, workers);
  std::deque<agent> agents;
  for (const unsigned each : workers)
    agents.push_back({parmap::detail::agent_pace(each, workers.size()), clock::now(), std::vector<double>(each, -1.0)});
  map_run all;
  double sum = 0;
  unsigned total = 0;
  for (const unsigned each : workers) total += each;
  bool goes_on = true;
  for (std::uint64_t at = 0; goes_on; ++at) {
    const double now = step * static_cast<double>(at);
    goes_on = false;
    for (std::size_t a = 0; a < agents.size(); ++a) {
      agent& it = agents[a];
      if (a > 0 && at < 30) {
        goes_on = true;
        continue;
      }
      for (double& end : it.ends) {
        while (end <= now) {
          if (end >= 0) {
            ++it.ended;
            it.last = end;
          }
          const double free = end >= 0 ? end : now;
          end = -1;
          if (it.begun == it.granted) break;
          const double takes = seconds(a, it.begun++);
          sum += takes;
          end = free + takes;
        }
      }
      if (at % 10 == 0) {
        it.pace.look(it.zero + std::chrono::microseconds(static_cast<std::int64_t>(now * 1e6)), it.ended);
        if (it.answer_at >= 0 && it.answer_at <= now) {
          it.answer_at = -1;
          it.granted += it.answer;
          if (!it.has_all) it.pace.was_granted(it.answer);
        }
        if (it.answer_at < 0 && !it.has_all && it.pace.wants()) {
          const auto wish = it.pace.next();
          ++all.wishes;
          it.answer = leads.wish(a, it.ended, wish.most, wish.least);
          it.has_all = leads.has_nothing_left();
          it.answer_at = a == 0 ? now : now + 1e-3;
        }
      }
      goes_on = goes_on || !it.has_all || it.ended < it.granted || it.answer_at >= 0;
    }
    if (now > 1000) break;
  }
  all.shortest = agents.front().last;
  for (const agent& each : agents) {
    all.shortest = std::min(all.shortest, each.last);
    all.longest = std::max(all.longest, each.last);
    all.tasks += each.ended;
  }
  all.best = sum / total;
  return all;
}

TEST(cluster_balance, of_short_tasks_to_a_few_milliseconds) {
  const map_run all = run_map(20'000, {1, 1}, [](std::size_t, std::uint64_t) { return 1e-4; });
  EXPECT_EQ(all.tasks, 20'000U);
  EXPECT_LT(all.longest - all.shortest, 0.01);
  EXPECT_LT(all.longest, all.best + 0.02);
  EXPECT_LT(all.wishes, 200U);
}

TEST(cluster_balance, of_agents_of_different_sizes_and_speeds) {
  const map_run all = run_map(100'000, {8, 2, 1, 4}, [](std::size_t a, std::uint64_t) { return a == 0 ? 4e-4 : 2e-4; });
  EXPECT_EQ(all.tasks, 100'000U);
  EXPECT_LT(all.longest - all.shortest, 0.02);
  EXPECT_LT(all.wishes, 500U);
}

TEST(cluster_balance, of_long_tasks_to_one_of_them) {
  const map_run all = run_map(2 * 64 * 5, {64, 64}, [](std::size_t, std::uint64_t) { return 1.0; });
  EXPECT_EQ(all.tasks, 640U);
  EXPECT_LT(all.longest, 5.1) << "each worker runs five of them";
}

TEST(cluster_balance, of_tasks_whose_times_vary) {
  const map_run all = run_map(20'000, {4, 4, 4}, [](std::size_t a, std::uint64_t k) {
    return 1e-3 * static_cast<double>(1 + (k * 7919 + a * 104'729) % 20);
  });
  EXPECT_EQ(all.tasks, 20'000U);
  EXPECT_LT(all.longest - all.shortest, 0.06) << "the longest takes 0.02 s";
  EXPECT_LT(all.longest, all.best + 0.05);
}

TEST(cluster_balance, of_an_agent_that_becomes_slow) {
  // From its 10 000th task on, the first agent is ten times slower.
  const map_run all =
      run_map(100'000, {2, 2}, [](std::size_t a, std::uint64_t k) { return a == 0 && k > 10'000 ? 2e-3 : 2e-4; });
  EXPECT_EQ(all.tasks, 100'000U);
  EXPECT_LT(all.longest - all.shortest, 0.5);
}

}  // namespace
