// SPDX-License-Identifier: MIT
// Engine threads: the thread pool, stop tokens at a timeout, exceptions kept whole, use after a fork.
#include "engines.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <ranges>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

TEST(threads_test, exceptions_are_kept_whole) {
  struct special : std::runtime_error {
    using std::runtime_error::runtime_error;
    int code = 17;
  };
  const auto f = [](int x) {
    if (x == 5) throw special("whole");
    return x;
  };
  const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 10));
  ASSERT_EQ(all.failures().size(), 1U);
  try {
    all.failures()[0].rethrow();
  } catch (const special& error) {
    EXPECT_EQ(error.code, 17);
    EXPECT_STREQ(error.what(), "whole");
    return;
  }
  FAIL() << "another exception";
}

// Each task waits until as many run at the same time as there are workers, so no clock is needed.
TEST(threads_test, as_many_run_at_once_as_asked_for) {
  constexpr int workers = 5;
  std::atomic<int> running{0};
  std::mutex mutex;
  std::set<std::thread::id> seen;
  const auto f = [&](int) {
    {
      const std::scoped_lock lock(mutex);
      seen.insert(std::this_thread::get_id());
    }
    ++running;
    while (running < workers) std::this_thread::yield();
  };
  const auto all = parmap::map(parmap::threads, f, std::views::iota(0, workers), {.workers = workers});
  EXPECT_TRUE(all.ok());
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(workers));
}

// An easy first task says nothing about the others: the caller must not take them all.
TEST(threads_test, after_an_easy_task_the_others_are_shared) {
  constexpr int workers = 5;
  for (int k = 0; k < 10; ++k) {  // the first map starts the threads, so its first task does not look easy
    std::atomic<int> running{0};
    const auto f = [&](int x) {
      if (x == 0) return;
      ++running;
      while (running < workers) std::this_thread::yield();
    };
    EXPECT_TRUE(parmap::map(parmap::threads, f, std::views::iota(0, 1 + workers), {.workers = workers}).ok());
  }
}

TEST(threads_test, worker_numbers_are_unique_at_any_time_and_below_the_bound) {
  constexpr unsigned workers = 4;
  std::array<std::atomic<int>, workers> busy{};
  std::atomic<int> wrong{0};
  const auto f = [&](parmap::context& self, int) {
    if (self.worker() >= workers || busy[self.worker()]++ != 0) ++wrong;
    for (int k = 0; k < 100; ++k) std::this_thread::yield();
    --busy[self.worker()];
  };
  static_cast<void>(parmap::map(parmap::threads, f, std::views::iota(0, 2000), {.workers = workers}));
  EXPECT_EQ(wrong, 0);
}

TEST(threads_test, helpers_take_over_the_callers_rounding_mode) {
  constexpr unsigned workers = 3;
  const auto modes = [&] {
    std::atomic<unsigned> running{0};
    const auto f = [&running](unsigned) {
      ++running;
      while (running < workers) std::this_thread::yield();  // so that each has a thread of its own
      return std::fegetround();
    };
    return parmap::map(parmap::threads, f, std::views::iota(0U, workers), {.workers = workers}).value();
  };
  for (const int mode : {FE_TONEAREST, FE_UPWARD, FE_TONEAREST}) {  // the threads are warm from the second map on
    ASSERT_EQ(std::fesetround(mode), 0);
    for (const int each : modes()) EXPECT_EQ(each, mode);
  }
}

TEST(threads_test, one_worker_is_the_caller) {
  const auto here = std::this_thread::get_id();
  const auto f = [here](int) { return std::this_thread::get_id() == here; };
  for (const bool same : parmap::map(parmap::threads, f, std::views::iota(0, 100), {.workers = 1}).value())
    EXPECT_TRUE(same);
}

TEST(threads_test, a_timeout_asks_the_task_to_stop) {
  const auto f = [](parmap::context& self, int x) {
    if (x == 3)
      while (!self.stop_token().stop_requested()) std::this_thread::yield();
    return x;
  };
  const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 100), {.retries = 1, .timeout = 1s});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 3U);
  EXPECT_EQ(all.failures()[0].kind, parmap::failure::timed_out);
  EXPECT_EQ(all.failures()[0].attempts, 2U);
  EXPECT_EQ(all[4], 4);
}

// As at Ctrl-Z and fg: another process stops this one for longer than the limit.
TEST(threads_test, the_time_of_a_stopped_process_does_not_count) {
  const pid_t caller = ::getpid();
  const pid_t stopper = ::fork();
  ASSERT_GE(stopper, 0);
  if (stopper == 0) {
    ::usleep(100'000);  // the map runs; if it does not yet, this shows nothing
    ::kill(caller, SIGSTOP);
    ::usleep(4'000'000);
    ::kill(caller, SIGCONT);
    ::_exit(0);
  }
  const auto f = [](const parmap::context& self, int i) {
    for (int k = 0; k < 50; ++k) std::this_thread::sleep_for(10ms);
    if (self.stop_token().stop_requested()) throw std::runtime_error("asked to stop");
    return i;
  };
  const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 4), {.timeout = 3s, .workers = 2});
  EXPECT_TRUE(all.ok()) << all.failures()[0];
  ::waitpid(stopper, nullptr, 0);
}

TEST(threads_test, a_late_task_counts_as_timed_out_however_it_ends) {
  const auto f = [](parmap::context& self, int x) -> std::string {
    while (!self.stop_token().stop_requested()) std::this_thread::yield();
    if (x == 0) throw std::runtime_error("cancelled");
    return "too late";
  };
  const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 2), {.timeout = 50ms});
  ASSERT_EQ(all.failures().size(), 2U);
  for (const parmap::failure& why : all.failures()) EXPECT_EQ(why.kind, parmap::failure::timed_out);
}

// The thread that requests the stop is blocked in a callback of the first task while the second begins.
TEST(threads_test, a_task_that_begins_while_another_is_asked_is_asked_too) {
  static std::atomic<bool> second_begun{false};
  using callback = std::stop_callback<void (*)()>;
  static callback* kept = nullptr;  // not destroyed by its task, which would wait for the callback to return
  const auto f = [](parmap::context& self, int x) {
    if (x == 0)
      kept = new callback(
          self.stop_token(), +[] {
            while (!second_begun) std::this_thread::yield();
          });
    else second_begun = true;
    while (!self.stop_token().stop_requested()) std::this_thread::yield();
  };
  const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 2), {.timeout = 20ms, .workers = 1});
  EXPECT_EQ(all.failures().size(), 2U);
  delete kept;
}

TEST(threads_test, tasks_have_the_callers_signal_mask_in_every_thread) {
  constexpr int workers = 4;
  std::atomic<int> running{0};
  const auto f = [&running](int) {
    ++running;
    while (running < workers) std::this_thread::yield();
    sigset_t mask{};
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return ::sigismember(&mask, SIGTERM) == 1 || ::sigismember(&mask, SIGSEGV) == 1;
  };
  for (const bool blocked : parmap::map(parmap::threads, f, std::views::iota(0, workers), {.workers = workers}).value())
    EXPECT_FALSE(blocked);
}

TEST(threads_test, a_reporter_that_throws_ends_a_long_map_early) {
  std::atomic<int> ran{0};
  const auto f = [&ran](int) {
    ++ran;
    std::this_thread::sleep_for(10ms);  // the task's duration, not a wait for an event
  };
  const auto bad = [](const parmap::progress&) { throw std::domain_error("reporter"); };
  EXPECT_THROW(static_cast<void>(parmap::map(parmap::threads, f, std::views::iota(0, 1000), {.reporter = bad})),
               std::domain_error);
  EXPECT_LT(ran, 1000);
}

TEST(threads_test, an_endless_timeout_is_none) {
  const auto f = [](parmap::context& self, int x) { return self.stop_token().stop_requested() ? -1 : x; };
  const auto all =
      parmap::map(parmap::threads, f, std::views::iota(0, 10), {.timeout = std::chrono::nanoseconds::max()});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  EXPECT_EQ(all[9], 9);
}

TEST(threads_test, a_stop_request_reaches_running_tasks) {
  for (const bool timed : {false, true}) {
    std::stop_source source;
    std::atomic<int> begun{0};
    const auto f = [&](parmap::context& self, int) {
      if (++begun == 2) source.request_stop();
      while (!self.stop_token().stop_requested()) std::this_thread::yield();
    };
    parmap::options chosen{.stop = source.get_token(), .workers = 2};
    if (timed) chosen.timeout = 1h;
    const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 100), chosen);
    EXPECT_EQ(begun, 2);
    EXPECT_EQ(all.failures().size(), 98U);
  }
}

TEST(threads_test, many_callers_share_the_pool) {
  std::vector<std::jthread> callers;
  std::atomic<int> wrong{0};
  for (int k = 0; k < 8; ++k)
    callers.emplace_back([&wrong, k] {
      for (int times = 0; times < 200; ++times) {
        const auto all = parmap::map(parmap::threads, [k](int x) { return k * x; }, std::views::iota(0, 500 + times));
        if (!all.ok() || all[499] != k * 499) ++wrong;
      }
    });
  callers.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(threads_test, small_maps_in_a_row) {
  for (int n = 0; n < 20'000; ++n) {
    const auto all = parmap::map(parmap::threads, [](int x) { return x + 1; }, std::views::iota(0, n % 50));
    ASSERT_TRUE(all.ok());
    if (n % 50 > 0) {
      ASSERT_EQ(all[static_cast<std::uint64_t>(n % 50 - 1)], n % 50);
    }
  }
}

TEST(threads_test, exceptions_from_many_threads) {
  const auto f = [](int x) -> std::string {
    if (x % 3 == 0) throw std::runtime_error(std::to_string(x));
    return std::to_string(x);
  };
  const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 10'000), {.workers = 4});
  EXPECT_EQ(all.failures().size(), 3334U);
  for (const parmap::failure& why : all.failures())
    ASSERT_EQ(why.message, "std::runtime_error: " + std::to_string(why.index));
}

#if !defined(__SANITIZE_THREAD__)  // under TSan a forked child of a process with threads cannot start a thread
TEST(threads_test, a_forked_child_has_a_pool_of_its_own) {
  // Waits until all threads of this process run: ASan's allocator does not survive a fork while a thread starts.
  std::atomic<int> met{0};
  const auto meet = [&](int) {
    ++met;
    while (met < 4) std::this_thread::yield();
  };
  static_cast<void>(parmap::map(parmap::threads, meet, std::views::iota(0, 4), {.workers = 4}));
  const pid_t child = ::fork();
  if (child == 0) {
    std::atomic<int> running{0};
    const auto f = [&](int) {
      ++running;
      while (running < 3) std::this_thread::yield();
    };
    const auto all = parmap::map(parmap::threads, f, std::views::iota(0, 3), {.workers = 3});
    ::_exit(all.ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

}  // namespace
