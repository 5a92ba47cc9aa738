// SPDX-License-Identifier: MIT
// A reporter that ends its map at once: what is done is returned, no task is blamed, no process is left or waited for.
#include "engines.hpp"
#include "leftovers.hpp"
#include "shared_counters.hpp"

#include <parmap/detail/progress/lazy_meter.hpp>
#include <parmap/detail/progress/stop_now.hpp>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;
using parmap::detail::stop_now;

void hang() {
  for (;;) ::pause();
}

// Makes a reporter that ends the map once `ready` returns true.
template <class Ready>
auto stop_when(Ready ready) {
  return [ready = std::move(ready)](const parmap::progress& now) {
    if (!now.finished && ready(now)) throw stop_now();
  };
}

// Expects that each task in `begun` was stopped in its first attempt, that every other failure was stopped before it
// began, and that every value is right.
void expect_stopped(const parmap::results<int>& all, const std::vector<std::uint64_t>& begun) {
  std::uint64_t stopped = 0;
  for (const failure& why : all.failures()) {
    const bool was_begun = std::ranges::find(begun, why.index) != begun.end();
    EXPECT_EQ(why.kind, failure::stopped) << why;
    EXPECT_EQ(why.message, "a stop was requested") << why;
    EXPECT_EQ(why.attempts, was_begun ? 1U : 0U) << why;
    EXPECT_EQ(why.status, 0) << why;
    if (was_begun) ++stopped;
  }
  EXPECT_EQ(stopped, begun.size());
  for (std::uint64_t i = 0; i < all.size(); ++i) {
    const int* value = all.get_if(i);
    EXPECT_TRUE(value == nullptr || *value == static_cast<int>(i)) << i;
  }
}

class stop_now_test : public leftovers::none {
 protected:
  // The only worker hangs in task 5. The reporter ends the map when it does.
  void a_hanging_task(parmap::options chosen) {
    chosen.workers = 1;
    chosen.reporter = stop_when([this](const parmap::progress&) { return flags_[0] != 0; });
    const auto f = [this](int i) {
      if (i == 5) {
        flags_[0] = 1;
        hang();
      }
      return i;
    };
    const auto all = parmap::map(f, std::views::iota(0, 1000), std::move(chosen));
    expect_stopped(all, {5});
    EXPECT_EQ(all.failures().size(), 995U);
  }

  shared_counters flags_;
};

TEST_F(stop_now_test, a_hanging_task_is_stopped_and_not_blamed) { a_hanging_task({}); }
TEST_F(stop_now_test, with_a_timeout) { a_hanging_task({.timeout = 1h}); }
TEST_F(stop_now_test, with_retries) { a_hanging_task({.retries = 3}); }
TEST_F(stop_now_test, with_both) { a_hanging_task({.max_failures = 1, .retries = 3, .timeout = 1h}); }

// The tasks block all signals.
TEST_F(stop_now_test, every_worker_hangs) {
  const auto f = [this](int i) {
    flags_[static_cast<std::size_t>(i)] = 1;
    sigset_t every{};
    ::sigfillset(&every);
    ::pthread_sigmask(SIG_BLOCK, &every, nullptr);
    hang();
    return i;
  };
  const auto ready = [this](const parmap::progress&) {
    int begun = 0;
    for (std::size_t i = 0; i < 100; ++i) begun += flags_[i];
    return begun == 3;
  };
  const auto all = parmap::map(f, std::views::iota(0, 100), {.reporter = stop_when(ready), .workers = 3});
  std::vector<std::uint64_t> begun;
  for (std::uint64_t i = 0; i < 100; ++i)
    if (flags_[i] != 0) begun.push_back(i);
  expect_stopped(all, begun);
  EXPECT_EQ(all.failures().size(), 100U);
}

// A task that failed before keeps its failure and its attempts.
TEST_F(stop_now_test, earlier_failures_stay) {
  const auto f = [this](int i) {
    if (i == 1) throw std::runtime_error("thrown");
    if (i == 2) ::_exit(3);
    if (i == 4) {
      flags_[0] = 1;
      hang();
    }
    return i;
  };
  const auto ready = [this](const parmap::progress&) { return flags_[0] != 0; };
  const auto all = parmap::map(f, std::views::iota(0, 6), {.reporter = stop_when(ready), .retries = 1, .workers = 1});
  ASSERT_EQ(all.failures().size(), 4U);
  EXPECT_EQ(all.failures()[0].kind, failure::threw);
  EXPECT_EQ(all.failures()[0].attempts, 2U);
  EXPECT_EQ(all.failures()[1].kind, failure::exited);
  EXPECT_EQ(all.failures()[1].status, 3);
  EXPECT_EQ(all.failures()[2].kind, failure::stopped);
  EXPECT_EQ(all.failures()[2].attempts, 1U);
  EXPECT_EQ(all.failures()[3].attempts, 0U);
  EXPECT_EQ(all[0], 0);
  EXPECT_EQ(all[3], 3);
}

// A task that crashed by itself while the reporter ran is still blamed.
TEST_F(stop_now_test, a_crash_just_before_is_blamed) {
  const auto f = [this](int i) {
    flags_[0] = 1;
    while (flags_[1] == 0) ::sched_yield();
    ::signal(SIGSEGV, SIG_DFL);
    ::raise(SIGSEGV);
    return i;
  };
  const auto ready = [this](const parmap::progress&) {
    if (flags_[0] == 0) return false;
    flags_[1] = 1;
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0;
  };
  const auto all = parmap::map(f, std::views::iota(0, 3), {.reporter = stop_when(ready), .workers = 1});
  ASSERT_EQ(all.failures().size(), 3U);
  EXPECT_EQ(all.failures()[0].kind, failure::crashed) << all.failures()[0];
  EXPECT_EQ(all.failures()[0].status, SIGSEGV);
  EXPECT_EQ(all.failures()[1].kind, failure::stopped) << all.failures()[1];
}

// The time of these tasks is over when their workers have been killed but not yet recovered.
TEST_F(stop_now_test, no_task_is_late_any_more) {
  constexpr auto limit = 3s;
  const auto f = [this](int i) {
    flags_[static_cast<std::size_t>(i)] = 1;
    hang();
    return i;
  };
  const auto ready = [this, limit](const parmap::progress&) {
    if (flags_[0] == 0 || flags_[1] == 0) return false;
    std::this_thread::sleep_for(limit);
    return true;
  };
  const auto all =
      parmap::map(f, std::views::iota(0, 2), {.reporter = stop_when(ready), .timeout = limit, .workers = 2});
  expect_stopped(all, {0, 1});
}

// A global, because a pthread_atfork handler takes no argument and cannot be removed.
std::atomic<bool> births_hang{false};

TEST_F(stop_now_test, a_birth_that_never_ends_holds_nobody_up) {
  ASSERT_EQ(::pthread_atfork(nullptr, nullptr,
                             [] {
                               if (births_hang) hang();
                             }),
            0);
  births_hang = true;
  const auto all = parmap::map([](int i) { return i; }, std::views::iota(0, 10),
                               {.reporter = stop_when([](const parmap::progress&) { return true; }), .workers = 2});
  births_hang = false;
  expect_stopped(all, {});
  EXPECT_EQ(all.failures().size(), 10U);
}

TEST_F(stop_now_test, encoded_results_that_are_done_arrive) {
  const auto f = [this](int i) {
    if (i == 5) {
      flags_[0] = 1;
      hang();
    }
    return std::string(static_cast<std::size_t>(i) * 5, 'x');
  };
  const auto ready = [this](const parmap::progress&) { return flags_[0] != 0; };
  const auto all = parmap::map(f, std::views::iota(0, 9), {.reporter = stop_when(ready), .workers = 1});
  EXPECT_EQ(all.failures().size(), 4U);
  for (std::uint64_t i = 0; i < 5; ++i) EXPECT_EQ(all[i], f(static_cast<int>(i)));
}

// In-process tasks run to their end, and no other is begun. (Tasks of async may not block: the test after the next.)
template <class Engine>
class stop_now_in_process : public leftovers::none {};
using blocking_in_process = ::testing::Types<engines::serial, engines::threads>;
TYPED_TEST_SUITE(stop_now_in_process, blocking_in_process, engines::names);

TYPED_TEST(stop_now_in_process, what_is_done_is_returned) {
  std::atomic<bool> thrown{false};
  const auto f = [&thrown](parmap::context& self, int i) {
    if (self.worker() == 0) std::this_thread::sleep_for(1ms);  // so that a report becomes due
    else
      while (!thrown) std::this_thread::yield();
    return i;
  };
  int last = 0;
  const auto report = [&](const parmap::progress& now) {
    if (now.finished) ++last;
    else thrown = true, throw stop_now();
  };
  const auto all = parmap::map(TypeParam::engine, f, std::views::iota(0, 1'000'000), {.reporter = report});
  EXPECT_TRUE(thrown);
  EXPECT_EQ(last, 1);
  EXPECT_GT(all.failures().size(), 0U);
  EXPECT_LT(all.failures().size(), 1'000'000U);
  expect_stopped(all, {});
}

TEST_F(stop_now_test, tasks_of_async_run_to_their_end) {
  bool thrown = false;
  const auto f = [&thrown](int i) -> asio::awaitable<int> {
    while (!thrown) co_await asio::post(asio::use_awaitable);
    co_return i;
  };
  const auto report = [&](const parmap::progress& now) {
    if (!now.finished) thrown = true, throw stop_now();
  };
  const auto all = parmap::map(parmap::async, f, std::views::iota(0, 1000), {.reporter = report, .workers = 10});
  EXPECT_EQ(all.failures().size(), 990U);
  for (std::uint64_t i = 0; i < 10; ++i) EXPECT_EQ(all[i], static_cast<int>(i));
}

// The last report comes too late to stop the map.
template <class Engine>
class stop_now_at_the_end : public leftovers::none {};
TYPED_TEST_SUITE(stop_now_at_the_end, engines::all, engines::names);

TYPED_TEST(stop_now_at_the_end, changes_nothing) {
  const auto report = [](const parmap::progress& now) {
    if (now.finished) throw stop_now();
  };
  const auto all =
      parmap::map(TypeParam::engine, [](int i) { return i; }, std::views::iota(0, 100), {.reporter = report});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all[99], 99);
}

}  // namespace
