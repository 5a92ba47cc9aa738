// SPDX-License-Identifier: MIT
// The processes of a pool are killed or stopped from outside: workers, the template process, the caller. Nobody waits
// for ever, and nothing is left.
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "shared_counters.hpp"
#include "watchdog.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

class pool_processes_test : public leftovers::none {
 protected:
  watchdog dog_{60s};
};

// Those that die with a process become children of this one, which is a subreaper. Waits until all have died.
void reap_orphans() {
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}
std::vector<pid_t> children_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}
template <class Condition>
void wait_until(Condition&& holds) {
  while (!holds()) std::this_thread::sleep_for(1ms);
}

const shared_counters* page{};  // a pool that is made when it is set has it, too
int hang(int) {
  ++(*page)[0];
  for (;;) ::pause();
}
int crash(int) { std::abort(); }

// The only child of this process.
pid_t template_of(const parmap::pool&) {
  const std::vector<pid_t> all = children_of(::getpid());
  if (all.size() != 1) throw std::logic_error("the template process is not the only child");
  return all[0];
}

bool has_died(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text, ')');
  char state = 'Z';
  file >> state;
  return state == 'Z' || state == 'X';
}
// Kills the template process, and waits until its workers have died with it: before, they may still answer.
void kill_template(const parmap::pool& workers) {
  const pid_t boss = template_of(workers);
  ::kill(boss, SIGKILL);
  wait_until([&] { return has_died(boss) && std::ranges::all_of(children_of(::getpid()), has_died); });
}

template <class Act>
void expect_killed(const Act& act) {
  try {
    act();
    ADD_FAILURE() << "no exception";
  } catch (const std::runtime_error& why) {
    EXPECT_NE(std::string(why.what()).find("was killed"), std::string::npos) << why.what();
  }
}
void expect_dead(const parmap::pool& workers) {
  for (int k = 0; k < 2; ++k) {
    expect_killed([&] { static_cast<void>(parmap::map(workers, twice, std::vector{1})); });
    expect_killed([&] { static_cast<void>(workers.submit(twice, 1).get()); });
    expect_killed([&] {
      for (auto&& each : parmap::stream(workers, twice, std::vector{1, 2})) static_cast<void>(each);
    });
  }
}

TEST_F(pool_processes_test, the_template_is_killed_at_rest) {
  for (const bool used : {false, true}) {
    std::optional<parmap::pool> workers(std::in_place, parmap::pool_options{.workers = 2});
    if (used) {
      EXPECT_EQ(workers->submit(twice, 1).get(), 2);
    }
    kill_template(*workers);
    expect_dead(*workers);
    workers.reset();
    reap_orphans();
  }
}

TEST_F(pool_processes_test, the_template_is_killed_while_all_wait) {
  const shared_counters counters;
  page = &counters;
  std::optional<parmap::pool> workers(std::in_place, parmap::pool_options{.workers = 2});
  auto begun = workers->submit(hang, 0);
  auto waiting = workers->submit(twice, 1);
  {
    std::vector<std::jthread> all;
    all.emplace_back(
        [&] { expect_killed([&] { static_cast<void>(parmap::map(*workers, hang, std::vector{1, 2})); }); });
    all.emplace_back([&] {
      expect_killed([&] {
        for (auto&& each : parmap::stream(*workers, hang, std::vector{1, 2})) static_cast<void>(each);
      });
    });
    all.emplace_back([&] { expect_killed([&] { begun.wait(); }); });
    wait_until([&] { return counters[0] == 2; });
    kill_template(*workers);
  }
  expect_killed([&] { begun.kill(); });
  expect_dead(*workers);
  workers.reset();
  EXPECT_EQ(begun.outcome().error().kind, failure::stopped);
  static_cast<void>(waiting.outcome());
  reap_orphans();
}

TEST_F(pool_processes_test, the_template_is_killed_while_it_replaces_workers) {
  std::mt19937 random(20261130);
  for (int round = 0; round < 60; ++round) {
    {
      const parmap::pool workers({.workers = 3});
      const std::jthread killer([boss = template_of(workers), nap = random() % 4000] {
        std::this_thread::sleep_for(std::chrono::microseconds(nap));
        ::kill(boss, SIGKILL);
      });
      expect_killed([&] {
        for (;;) static_cast<void>(parmap::map(workers, crash, std::views::iota(0, 10), {.retries = 2}));
      });
    }
    reap_orphans();
    dog_.pat();
  }
}

TEST_F(pool_processes_test, the_caller_is_killed) {
  const shared_counters counters;
  page = &counters;
  EXPECT_EQ(in_child([] {
              const parmap::pool workers({.workers = 3});
              ::kill(::getpid(), SIGKILL);
            }),
            "killed by SIGKILL");
  EXPECT_EQ(in_child([&] {
              const parmap::pool workers({.workers = 3});
              const std::jthread other([&] { static_cast<void>(parmap::map(workers, hang, std::vector{1, 2})); });
              auto it = workers.submit(hang, 1);
              wait_until([&] { return counters[0] == 3; });
              ::kill(::getpid(), SIGKILL);
            }),
            "killed by SIGKILL");
  std::mt19937 random(20261130);
  for (int round = 0; round < 60; ++round) {
    EXPECT_EQ(in_child([&] {
                const std::jthread killer([nap = random() % 5000] {
                  std::this_thread::sleep_for(std::chrono::microseconds(nap));
                  ::kill(::getpid(), SIGKILL);
                });
                for (;;) {
                  const parmap::pool workers({.workers = 2});
                  static_cast<void>(parmap::map(workers, crash, std::vector{1, 2, 3}));
                }
              }),
              "killed by SIGKILL");
    static_cast<void>(random());  // the child has used one of its own
    dog_.pat();
  }
  reap_orphans();
}

TEST_F(pool_processes_test, the_caller_leaves_without_a_word) {
  const shared_counters counters;
  page = &counters;
  EXPECT_EQ(in_child([] {
              const parmap::pool workers({.workers = 2});
              ::_exit(7);
            }),
            "exit status 7");
  EXPECT_EQ(in_child([&] {
              static const parmap::pool* const workers = new parmap::pool({.workers = 2});
              auto it = workers->submit(hang, 1);
              wait_until([&] { return counters[0] == 1; });
              ::execl("/bin/sh", "sh", "-c", "exec >&- 2>&-; exit 9", nullptr);
            }),
            "exit status 9");
  EXPECT_EQ(in_child([] {
              static const parmap::pool workers({.workers = 2});
              std::exit(6);  // which destroys it
            }),
            "exit status 6");
  reap_orphans();
}

TEST_F(pool_processes_test, idle_workers_are_killed_again_and_again) {
  const parmap::pool workers({.workers = 2});
  const pid_t boss = template_of(workers);
  wait_until([&] { return children_of(boss).size() == 2; });
  for (int round = 0; round < 300; ++round) {
    const std::vector<pid_t> before = children_of(boss);
    ASSERT_EQ(before.size(), 2U);
    ::kill(before[0], SIGKILL);
    wait_until([&] {
      const std::vector<pid_t> now = children_of(boss);
      return now.size() == 2 && std::ranges::find(now, before[0]) == now.end();
    });
    dog_.pat();
  }
  EXPECT_TRUE(parmap::map(workers, twice, std::views::iota(0, 100)).ok());
}

TEST_F(pool_processes_test, all_workers_are_killed_at_once_while_they_work) {
  const parmap::pool workers({.workers = 3});
  const pid_t boss = template_of(workers);
  std::atomic<bool> over{false};
  std::jthread killer([&] {
    std::mt19937 random(20261130);
    while (!over) {
      for (const pid_t each : children_of(boss)) ::kill(each, SIGKILL);
      std::this_thread::sleep_for(std::chrono::microseconds(3000 + random() % 3000));
    }
  });
  const auto f = [](int x) {
    std::this_thread::sleep_for(50us);
    return 2 * x;
  };
  for (int round = 0; round < 30; ++round) {
    const auto all = parmap::map(workers, f, std::views::iota(0, 100), {.retries = 1000});
    EXPECT_TRUE(all.ok()) << all.failures();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(all[static_cast<std::uint64_t>(i)], 2 * i);
    std::vector<int> seen(50);
    for (auto&& [index, outcome] : parmap::stream(workers, f, std::views::iota(0, 50), {.retries = 1000}))
      ++seen[index];
    EXPECT_EQ(std::ranges::count(seen, 1), 50);
    std::vector<parmap::future<int>> some;
    for (int k = 0; k < 20; ++k) some.push_back(workers.submit(f, k));
    for (int k = 0; k < 20; ++k) {
      const auto& it = some[static_cast<std::size_t>(k)].outcome();
      if (it) {
        EXPECT_EQ(*it, 2 * k);
      } else {
        EXPECT_EQ(it.error().kind, failure::crashed) << it.error();
      }
    }
    dog_.pat();
  }
  over = true;
}

TEST_F(pool_processes_test, a_stopped_worker_is_late) {
  const parmap::pool workers({.timeout = 200ms, .workers = 2});
  const auto stop = [](int x) {
    if (x == 3) ::kill(::getpid(), SIGSTOP);
    return x;
  };
  const auto all = parmap::map(workers, stop, std::views::iota(0, 10));
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].kind, failure::timed_out) << all.failures();
  EXPECT_EQ(workers.submit(stop, 3).outcome().error().kind, failure::timed_out);
}

TEST_F(pool_processes_test, idle_workers_that_are_stopped_hold_nobody_up) {
  const parmap::pool workers({.workers = 2});
  EXPECT_EQ(workers.submit(twice, 1).get(), 2);
  const pid_t boss = template_of(workers);
  wait_until([&] { return children_of(boss).size() == 2; });
  ::kill(children_of(boss)[0], SIGSTOP);
  for (int k = 0; k < 20; ++k) EXPECT_EQ(workers.submit(twice, k).get(), 2 * k);
}

TEST_F(pool_processes_test, a_forked_copy_is_refused) {
  const shared_counters counters;
  page = &counters;
  std::optional<parmap::pool> workers(std::in_place, parmap::pool_options{.workers = 2});
  auto running = workers->submit(hang, 1);
  auto done = workers->submit(twice, 4);
  done.wait();
  const std::jthread other(
      [&] { EXPECT_EQ(parmap::map(*workers, twice, std::vector{1, 2}).value(), (std::vector{2, 4})); });
  const pid_t child = ::fork();
  if (child == 0) {
    const auto refuses = [](const auto& act) {
      try {
        act();
        return false;
      } catch (const std::logic_error&) {
        return true;
      }
    };
    const bool all = refuses([&] { static_cast<void>(parmap::map(*workers, twice, std::vector{1})); }) &&
                     refuses([&] { static_cast<void>(parmap::stream(*workers, twice, std::vector{1})); }) &&
                     refuses([&] { static_cast<void>(workers->submit(twice, 1)); }) &&
                     refuses([&] { running.wait(); }) && refuses([&] { running.kill(); }) &&
                     refuses([&] { static_cast<void>(running.cancel()); }) && done.get() == 8;
    workers.reset();
    ::_exit(all ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(workers->submit(twice, 5).get(), 10);
  const auto nested =
      parmap::map(parmap::multi, [&](int x) { return workers->submit(twice, x).get(); }, std::vector{1, 2});
  ASSERT_EQ(nested.failures().size(), 2U);
  EXPECT_NE(nested.failures()[0].message.find("forked"), std::string::npos) << nested.failures();
  running.kill();
  EXPECT_EQ(running.outcome().error().kind, failure::stopped);
}

}  // namespace
