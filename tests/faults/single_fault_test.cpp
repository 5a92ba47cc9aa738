// SPDX-License-Identifier: MIT
// Engine multi: each way a task can fail costs only that task, is blamed on it, and leaves nothing behind.
#include "engines.hpp"
#include "fault_cases.hpp"
#include "leftovers.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <iterator>
#include <list>
#include <new>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// Its codec throws in encode or in decode, depending on the text.
struct unwilling {
  std::string text;
};
template <>
struct parmap::codec<unwilling> {
  static void encode(encoder& out, const unwilling& it) {
    if (it.text == "1") throw 1;
    if (it.text == "2") throw std::bad_alloc();
    if (it.text == "3") std::abort();
    if (it.text == "4") throw std::runtime_error("not this one");
    while (it.text == "5") ::pause();
    out.put(it.text);
  }
  static unwilling decode(decoder& in) {
    auto text = in.get<std::string>();
    if (text == "6") throw 6;
    if (text == "7") throw std::bad_alloc();
    if (text == "8") throw std::runtime_error("nor this one");
    return {std::move(text)};
  }
};

// Its bytes could be copied into a slot, but the pointer would mean nothing in the caller. Its codec must be used
// instead.
struct text_view {
  const char* first;
  std::size_t size;
};
template <>
struct parmap::codec<text_view> {
  static void encode(encoder& out, const text_view& it) { out.put(std::string(it.first, it.size)); }
  static text_view decode(decoder& in) {
    static std::list<std::string> kept;
    const std::string& text = kept.emplace_back(in.get<std::string>());
    return {text.data(), text.size()};
  }
};

namespace {

using namespace std::chrono_literals;
using parmap::failure;

[[gnu::noinline]] int recurse(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth == 0x7fff'ffff ? 0 : recurse(depth + 1) + frame[0];
}

// Not through a null pointer, which UBSan would report before the hardware does.
void write_nowhere() {
  void* page = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *static_cast<volatile char*>(page) = 1;
}

void throw_something() { throw std::runtime_error("out of a noexcept function"); }
void throw_in_noexcept() noexcept { throw_something(); }

void throw_nested() {
  try {
    try {
      throw 42;
    } catch (...) {
      std::throw_with_nested(std::logic_error("cell 7"));
    }
  } catch (...) {
    std::throw_with_nested(std::runtime_error("step 3"));
  }
}

void hang() {
  for (;;) ::pause();
}

void spin() {
  for (std::atomic<int> k{0};; ++k) {
  }
}

void hang_deaf() {
  sigset_t all{};
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  hang();
}

const fault faults[] = {
    {"throws", [] { throw std::runtime_error("thrown"); }, failure::threw, "std::runtime_error: thrown"},
    {"throws_int", [] { throw 42; }, failure::threw, "int: 42"},
    {"throws_with_nested", throw_nested, failure::threw,
     "std::runtime_error: step 3; caused by std::logic_error: cell 7; caused by int: 42"},
    {"bad_alloc", [] { throw std::bad_alloc(); }, failure::out_of_memory, "bad_alloc"},
    {"segfault", write_nowhere, failure::crashed, "SIGSEGV", SIGSEGV},
    {"abort", [] { std::abort(); }, failure::crashed, "SIGABRT", SIGABRT},
    {"terminate", throw_in_noexcept, failure::crashed, "SIGABRT", SIGABRT},
    {"sigfpe", [] { ::raise(SIGFPE); }, failure::crashed, "SIGFPE", SIGFPE},
    {"sigkill", [] { ::kill(::getpid(), SIGKILL); }, failure::crashed, "SIGKILL", SIGKILL},
    {"sigterm", [] { ::kill(::getpid(), SIGTERM); }, failure::crashed, "SIGTERM", SIGTERM},
    {"stack_overflow", [] { std::cout << recurse(0); }, failure::crashed, "SIGSEGV", SIGSEGV},
    {"exit_0", [] { std::exit(0); }, failure::exited, "exit(0)"},
    {"exit_3", [] { std::exit(3); }, failure::exited, "exit(3)", 3},
    {"exit_259", [] { std::exit(259); }, failure::exited, "exit(259)", 3},
    {"exit_minus_1", [] { std::exit(-1); }, failure::exited, "exit(-1)", 255},
    {"exit_in_thread", [] { std::thread([] { std::exit(4); }).join(); }, failure::exited, "exit(4)", 4},
    {"underscore_exit_0", [] { ::_exit(0); }, failure::exited, "_exit(0)"},
    {"underscore_exit_5", [] { ::_exit(5); }, failure::exited, "_exit(5)", 5},
    {"quick_exit", [] { std::quick_exit(0); }, failure::exited, "quick_exit", EXIT_FAILURE},
    {"pthread_exit", [] { ::pthread_exit(nullptr); }, failure::exited, "pthread_exit", EXIT_FAILURE},
    {"hangs", hang, failure::timed_out, "killed after its limit of 300 ms", SIGKILL},
    {"spins", spin, failure::timed_out, "killed after its limit of 300 ms", SIGKILL},
    {"hangs_deaf_to_signals", hang_deaf, failure::timed_out, "killed after its limit of 300 ms", SIGKILL},
};

INSTANTIATE_TEST_SUITE_P(each, single_fault_test, ::testing::ValuesIn(faults), fault_name);

class multi_test : public leftovers::none {};

TEST_F(multi_test, every_task_fails) {
  const auto all = parmap::map([](int i) -> int { ::_exit(i); }, std::views::iota(0, 100));
  ASSERT_EQ(all.failures().size(), 100U);
  for (const failure& why : all.failures())
    EXPECT_NE(why.message.find("_exit(" + std::to_string(why.index) + ")"), std::string::npos) << why;
}

TEST_F(multi_test, all_faults_at_once_many_times) {
  constexpr auto n = static_cast<int>(std::size(faults));
  const auto f = [](int i) {
    if (i % 2 == 1) faults[i / 2 % n].act();
    return std::to_string(i);
  };
  const auto all = parmap::map(f, std::views::iota(0, 4 * n), {.timeout = 1s, .workers = 4});
  ASSERT_EQ(all.failures().size(), static_cast<std::size_t>(2 * n));
  for (const failure& why : all.failures()) {
    ASSERT_EQ(why.index % 2, 1U) << why;
    EXPECT_EQ(why.kind, faults[why.index / 2 % std::size(faults)].kind) << why;
  }
  for (std::uint64_t i = 0; i < all.size(); i += 2) EXPECT_EQ(all[i], std::to_string(i));
}

// A task that succeeds at its second attempt, in another worker. Nothing that the first attempt left is kept.
TEST_F(multi_test, a_retry_after_a_death_succeeds) {
  const auto f = [](parmap::context& self, int i) {
    if (i % 10 == 5 && self.attempt() == 1) ::kill(::getpid(), SIGKILL);
    return i * 10 + static_cast<int>(self.attempt());
  };
  const auto all = parmap::map(f, std::views::iota(0, 100), {.retries = 1});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(all[i], static_cast<int>(i * 10 + (i % 10 == 5 ? 2 : 1)));
}

// Tasks well below the limit beside some that hang: no other task is killed, however often the supervisor looks.
TEST_F(multi_test, no_innocent_task_is_killed_near_the_limit) {
  const auto f = [](int i) {
    if (i % 20 == 7) hang();
    std::this_thread::sleep_for(45ms);
    return i;
  };
  // 300 ms against 45 ms: a task would have to sleep more than six times too long to be late.
  const auto all = parmap::map(f, std::views::iota(0, 60), {.timeout = 300ms, .workers = 6});
  ASSERT_EQ(all.failures().size(), 3U);
  for (const failure& why : all.failures()) EXPECT_EQ(why.index % 20, 7U) << why;
}

TEST_F(multi_test, what_a_late_task_started_is_killed_with_it) {
  int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  const auto f = [&fds](int) {
    // A grandchild that has lost its parent, and holds the pipe open as long as it lives.
    if (::fork() == 0) {
      if (::fork() == 0) hang();
      ::_exit(0);
    }
    const char started = 1;
    static_cast<void>(!::write(fds[1], &started, 1));
    hang();
    return 0;
  };
  const auto all = parmap::map(f, std::views::iota(0, 2), {.timeout = 300ms});
  EXPECT_EQ(all.failures().size(), 2U);
  ::close(fds[1]);
  char started[8];
  ssize_t got = 0;
  for (ssize_t now = 1; now > 0; got += now)
    now = ::read(fds[0], started, sizeof started);  // returns 0 when no writer is left
  EXPECT_EQ(got, 2);
  ::close(fds[0]);
  // This process is the subreaper of the killed grandchildren: it reaps them.
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

TEST_F(multi_test, a_tasks_own_fork_that_runs_on_is_no_second_worker) {
  const auto f = [](int i) {
    if (i == 3) ::fork();  // both processes continue the task
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 100));
  EXPECT_TRUE(all.ok()) << all.failures()[0];
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

TEST_F(multi_test, atexit_handlers_of_the_caller_do_not_run_in_a_worker) {
  static int fds[2];
  ASSERT_EQ(::pipe(fds), 0);
  static const pid_t here = ::getpid();
  std::atexit([] {
    const char ran = 1;
    if (::getpid() != here) static_cast<void>(!::write(fds[1], &ran, 1));
  });
  const auto all = parmap::map([](int i) -> int { std::exit(i); }, std::views::iota(0, 4));
  EXPECT_EQ(all.failures().size(), 4U);
  ::close(fds[1]);
  char ran = 0;
  EXPECT_EQ(::read(fds[0], &ran, 1), 0);
  ::close(fds[0]);
}

TEST_F(multi_test, results_outlive_later_maps_and_serve_as_inputs) {
  const auto once = parmap::map([](int i) { return i + 1; }, std::views::iota(0, 1000));
  const auto twice =
      parmap::map([&once](std::uint64_t i) { return once[i] * 2; }, std::views::iota(std::uint64_t{0}, once.size()));
  ASSERT_TRUE(twice.ok());
  EXPECT_EQ(twice[999], 2000);
}

TEST_F(multi_test, results_are_read_only_memory) {
  const auto all = parmap::map([](int i) { return i; }, std::views::iota(0, 10));
  EXPECT_EXIT(*const_cast<int*>(all.data()) = 1, ::testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(multi_test, a_result_that_cannot_be_encoded) {
  struct expected {
    parmap::failure_kind kind;
    const char* message;
  };
  const std::array wrong{expected{failure::unencodable, "encoding its result: int: 1"},
                         expected{failure::out_of_memory, "encoding its result: std::bad_alloc"},
                         expected{failure::crashed, "SIGABRT"},
                         expected{failure::unencodable, "encoding its result: std::runtime_error: not this one"},
                         expected{failure::timed_out, "limit of 3 s"},
                         expected{failure::unencodable, "decoding its result: int: 6"},
                         expected{failure::out_of_memory, "decoding its result: std::bad_alloc"},
                         expected{failure::unencodable, "decoding its result: std::runtime_error: nor this one"}};
  const auto all =
      parmap::map([](int i) { return unwilling{std::to_string(i)}; }, std::views::iota(0, 10), {.timeout = 3s});
  ASSERT_EQ(all.failures().size(), wrong.size());
  for (std::uint64_t k = 0; k < wrong.size(); ++k) {
    const failure why = all.failures()[k];
    EXPECT_EQ(why.index, k + 1) << why;
    EXPECT_EQ(why.kind, wrong.at(k).kind) << why;
    EXPECT_NE(why.message.find(wrong.at(k).message), std::string::npos) << why;
  }
  EXPECT_EQ(all[0].text, "0");
  EXPECT_EQ(all[9].text, "9");
}

TEST_F(multi_test, a_result_that_cannot_be_decoded_tells_how_many_attempts_it_took) {
  const auto f = [](parmap::context& self, int i) {
    if (self.attempt() <= static_cast<unsigned>(i) % 3) throw std::runtime_error("not yet");
    return unwilling{i < 5 ? "a text that does not fit into its slot" : "8"};
  };
  const auto all = parmap::map(f, std::views::iota(0, 8), {.retries = 2});
  ASSERT_EQ(all.failures().size(), 3U);
  for (std::uint64_t k = 0; k < 3; ++k) {
    EXPECT_EQ(all.failures()[k].index, 5 + k);
    EXPECT_EQ(all.failures()[k].attempts, (5 + k) % 3 + 1);
  }
  EXPECT_EQ(all[2].text, "a text that does not fit into its slot");
}

TEST_F(multi_test, a_codec_counts_also_for_what_could_be_copied_as_bytes) {
  static_assert(!parmap::detail::in_slot<text_view>);
  static std::vector<std::string> made;
  const auto f = [](int i) {
    made.push_back(std::to_string(i) + " made in a worker, on its heap");
    return text_view{made.back().data(), made.back().size()};
  };
  const auto all = parmap::map(f, std::views::iota(0, 3), {.workers = 1});
  EXPECT_EQ(std::string(all[2].first, all[2].size), "2 made in a worker, on its heap");
}

TEST_F(multi_test, many_failures_with_long_messages) {
  const auto f = [](int i) -> std::string { throw std::runtime_error(std::string(1000, 'x') + std::to_string(i)); };
  const auto all = parmap::map(f, std::views::iota(0, 20'000));
  ASSERT_EQ(all.failures().size(), 20'000U);
  for (std::uint64_t i = 0; i < 20'000; i += 999)
    EXPECT_TRUE(all.failures()[i].message.ends_with("x" + std::to_string(i)));
}

TEST_F(multi_test, a_message_of_16_MiB_arrives_whole_and_a_longer_one_cut) {
  constexpr std::size_t most = std::size_t{16} << 20;
  const auto message = [](int i) {
    std::string text((std::size_t{4} << 20) * static_cast<std::size_t>(i), ' ');
    for (std::size_t k = 0; k < text.size(); ++k) text[k] = static_cast<char>('a' + k % 23);
    return text;
  };
  const auto f = [&message](int i) -> int { throw parmap::detail::foreign_exception{failure::threw, message(i)}; };
  const auto all = parmap::map(f, std::views::iota(1, 6));
  ASSERT_EQ(all.failures().size(), 5U);
  for (int i = 1; i < 6; ++i)
    EXPECT_TRUE(all.failures()[static_cast<std::size_t>(i - 1)].message == message(i).substr(0, most)) << i;
}

TEST_F(multi_test, large_encoded_results) {
  const auto all = parmap::map([](int i) { return std::vector<double>(1'000'000, i); }, std::views::iota(0, 20));
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  for (std::uint64_t i = 0; i < 20; ++i) {
    ASSERT_EQ(all[i].size(), 1'000'000U);
    EXPECT_EQ(all[i].back(), static_cast<double>(i));
  }
}

}  // namespace
