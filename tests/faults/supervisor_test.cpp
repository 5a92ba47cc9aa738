// SPDX-License-Identifier: MIT
// The supervisor with births that fail or never end, with stops, and with memory that runs out.
#include "engines.hpp"
#include "leftovers.hpp"
#include "shared_counters.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <new>
#include <ranges>
#include <stop_token>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

class supervisor_test : public leftovers::none {
 protected:
  // Static, because a pthread_atfork handler takes no argument and cannot be removed.
  static inline std::atomic<int> forks{0};
  static inline int good_births = 1'000'000;
  static inline void (*birth_fault)() = nullptr;

  static void after_births(int good, void (*fault)()) {
    forks = 0;
    good_births = good;
    birth_fault = fault;
    static const int registered = ::pthread_atfork([] { ++forks; }, nullptr,
                                                   [] {
                                                     if (forks > good_births) birth_fault();
                                                   });
    ASSERT_EQ(registered, 0);
  }
};

TEST_F(supervisor_test, a_birth_that_never_ends_holds_nobody_up) {
  after_births(1, [] {
    for (;;) ::pause();
  });
  const auto all = parmap::map([](int i) { return i; }, std::views::iota(0, 1000), {.workers = 4});
  EXPECT_TRUE(all.ok());
  good_births = 1'000'000;
}

TEST_F(supervisor_test, a_birth_that_never_ends_holds_no_halted_map_up) {
  after_births(1, [] {
    for (;;) ::pause();
  });
  const auto f = [](int i) -> int { throw i; };
  const auto all = parmap::map(f, std::views::iota(0, 1000), {.max_failures = 1, .workers = 2});
  EXPECT_EQ(all.failures().size(), 1000U);
  good_births = 1'000'000;
}

TEST_F(supervisor_test, newborns_that_die_cost_the_others_nothing) {
  const shared_counters dead;
  static std::atomic<int>* deaths = nullptr;
  deaths = &dead[0];
  after_births(1, [] {
    ++*deaths;
    ::_exit(1);
  });
  const auto f = [&dead](int i) {
    while (dead[0] < 257) ::sched_yield();  // after more than 256 such deaths in a row the supervisor gives up
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 10), {.workers = 10});
  EXPECT_TRUE(all.ok()) << all.failures()[0];
  good_births = 1'000'000;
}

TEST_F(supervisor_test, a_task_that_requests_the_stop_itself_is_named_as_the_reason) {
  std::stop_source source;
  const auto f = [&source](int i) {
    if (i == 3) source.request_stop();
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 100), {.stop = source.get_token(), .workers = 1});
  ASSERT_FALSE(all.ok());
  for (const failure& why : all.failures()) {
    EXPECT_EQ(why.kind, failure::stopped);
    EXPECT_EQ(why.message, "a stop was requested");
  }
  EXPECT_EQ(all[3], 3);
}

int oom_score_adj() {
  std::ifstream file("/proc/self/oom_score_adj");
  int adjustment = 0;
  file >> adjustment;
  return adjustment;
}

TEST_F(supervisor_test, the_oom_killer_is_offered_workers_before_the_caller) {
  const int ours = oom_score_adj();
  const int theirs = std::min(1000, ours + 500);
  const auto f = [theirs](parmap::context& self, int i) {
    if (i == 1 && self.attempt() == 2) return oom_score_adj();  // a replacement's is raised before it begins a task
    while (oom_score_adj() != theirs) ::sched_yield();
    if (i == 1) std::abort();
    return theirs;
  };
  const auto all = parmap::map(f, std::views::iota(0, 3), {.retries = 1, .timeout = 60s, .workers = 2});
  EXPECT_EQ(all.value(), std::vector<int>(3, theirs));
  EXPECT_EQ(oom_score_adj(), ours);
}

#if !defined(__SANITIZE_ADDRESS__)  // ASan ends the process when an allocation is refused
constexpr std::uint64_t limit = 64 << 20;

// Keeps the compiler from optimising the memory away.
void touch(std::vector<char>& bytes) {
  for (std::size_t k = 0; k < bytes.size(); k += 4096) static_cast<volatile char&>(bytes[k]) = 1;
}

void eat_all() {
  std::vector<std::vector<char>> kept;
  for (;;) touch(kept.emplace_back(std::size_t{1} << 20));
}

TEST_F(supervisor_test, a_task_without_end_of_memory_fails_alone) {
  const auto f = [](int i) {
    if (i % 10 == 3) eat_all();
    return i;
  };
  for (const unsigned retries : {0U, 2U}) {
    const auto all = parmap::map(f, std::views::iota(0, 40), {.memory_limit = limit, .retries = retries});
    ASSERT_EQ(all.failures().size(), 4U);
    for (const failure& why : all.failures()) {
      EXPECT_EQ(why.index % 10, 3U) << why;
      EXPECT_EQ(why.kind, failure::out_of_memory) << why;
      EXPECT_EQ(why.attempts, 1 + retries) << why;
      EXPECT_NE(why.message.find("options.memory_limit of 64 MiB was reached"), std::string::npos) << why;
    }
  }
}

TEST_F(supervisor_test, what_a_task_leaks_costs_the_next_ones_nothing) {
  static std::vector<std::vector<char>> leak;
  const auto f = [](int i) {
    if (i == 2)
      for (;;) touch(leak.emplace_back(std::size_t{1} << 20));
    std::vector<char> needed(std::size_t{16} << 20);
    touch(needed);
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 10), {.memory_limit = limit, .workers = 1});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 2U);
}

void eat_all_in_noexcept() noexcept { eat_all(); }

TEST_F(supervisor_test, memory_refused_in_a_noexcept_function_is_out_of_memory) {
  const auto f = [](int i) {
    if (i == 5) eat_all_in_noexcept();
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 10), {.memory_limit = limit});
  ASSERT_EQ(all.failures().size(), 1U);
  const failure why = all.failures()[0];
  EXPECT_EQ(why.index, 5U);
  EXPECT_EQ(why.kind, failure::out_of_memory) << why;
  EXPECT_NE(why.message.find("SIGABRT"), std::string::npos) << why;
}

TEST_F(supervisor_test, a_refusal_that_was_got_over_is_not_the_cause_of_a_later_crash) {
  const auto f = [](int i) {
    if (i == 1) {
      try {
        eat_all();
      } catch (const std::bad_alloc&) {
        return -1;
      }
    }
    if (i == 2) std::abort();
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 10), {.memory_limit = limit, .workers = 1});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 2U);
  EXPECT_EQ(all.failures()[0].kind, failure::crashed) << all.failures()[0];
  EXPECT_EQ(all[1], -1);
}

TEST_F(supervisor_test, the_callers_own_new_handler_is_still_asked) {
  static int asked = 0;
  std::set_new_handler([] {
    ++asked;
    throw std::bad_alloc();
  });
  const auto f = [](int) {
    try {
      eat_all();
    } catch (const std::bad_alloc&) {
    }
    return asked;
  };
  const auto all = parmap::map(f, std::views::iota(0, 1), {.memory_limit = limit});
  std::set_new_handler(nullptr);
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all[0], 1);
}

TEST_F(supervisor_test, a_limit_holds_in_maps_within_maps_too) {
  const auto inner = [](int i) {
    if (i == 1) eat_all();
    return i;
  };
  const auto outer = [&](int i) {
    const auto all = parmap::map(inner, std::views::iota(0, 3), {.memory_limit = limit / 2});
    return all.failures().size() == 1 && all.failures()[0].kind == failure::out_of_memory ? i : -1;
  };
  const auto all = parmap::map(outer, std::views::iota(0, 4), {.memory_limit = limit});
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(all[i], static_cast<int>(i));
}

TEST_F(supervisor_test, the_limit_of_the_outer_map_is_not_the_inner_maps_cause) {
  const auto inner = [](int i) {
    if (i == 1) eat_all_in_noexcept();
    return i;
  };
  const auto outer = [&](int i) {
    const auto all = parmap::map(inner, std::views::iota(0, 3));
    return all.failures().size() == 1 && all.failures()[0].kind == failure::crashed ? i : -1;
  };
  const auto all = parmap::map(outer, std::views::iota(0, 2), {.memory_limit = limit});
  for (std::uint64_t i = 0; i < 2; ++i) EXPECT_EQ(all[i], static_cast<int>(i));
}

TEST_F(supervisor_test, a_tasks_own_child_may_be_refused_memory) {
  const auto f = [](int) {
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        eat_all();
      } catch (const std::bad_alloc&) {
        ::_exit(7);
      }
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const auto all = parmap::map(f, std::views::iota(0, 2), {.memory_limit = limit});
  EXPECT_EQ(all.value(), (std::vector<int>{7, 7}));
}

TEST_F(supervisor_test, results_do_not_count_as_memory_a_worker_adds) {
  const auto f = [](int i) { return std::string(std::size_t{8} << 20, static_cast<char>('a' + i)); };
  const auto all = parmap::map(f, std::views::iota(0, 16), {.memory_limit = limit, .workers = 1});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  EXPECT_EQ(all[15], f(15));
}
#endif

// An array that lies right below the memory shared with the caller. Its overrun crashes the task and damages no result.
TEST_F(supervisor_test, running_past_the_end_of_a_neighbouring_array_crashes_that_task_alone) {
  const auto f = [](int i) {
    if (i == 7) {
      constexpr std::size_t size = std::size_t{1} << 20;  // large enough for malloc to map it
      auto* const bytes = static_cast<volatile char*>(
          ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      for (std::size_t k = 0; k < (std::size_t{1} << 40); ++k) bytes[k] = 1;
    }
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 50), {.workers = 1});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 7U);
  EXPECT_EQ(all.failures()[0].kind, failure::crashed);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(all.value_or(7)[static_cast<std::size_t>(i)], i);
}

}  // namespace
