// SPDX-License-Identifier: MIT
// Engine multi, called from unusual places and in processes with unusual settings.
#include "engines.hpp"
#include "run_in_child.hpp"
#include "shared_counters.hpp"
#include "troubled_maps.hpp"

#include <asio/awaitable.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

// Maps that run before main: each engine must find what it needs, whatever the order of static objects.
const auto squares_at_start = std::tuple(parmap::map(twice, std::views::iota(0, 100)),
                                         parmap::map(parmap::threads, twice, std::views::iota(0, 100)),
                                         parmap::map(parmap::serial, twice, std::views::iota(0, 100)));

TEST(unusual_callers_test, a_static_initialiser) {
  std::apply([](const auto&... each) { (check_all(each, 100), ...); }, squares_at_start);
}

// Its destructor runs maps and ends the process with status 0 if they are right.
struct last_words {
  last_words() = default;
  last_words(const last_words&) = delete;
  last_words& operator=(const last_words&) = delete;
  ~last_words() { say(); }

  static void say() {
    try {
      check_map();
      check_all(parmap::map(parmap::threads, twice, std::views::iota(0, 100'000)), 100'000);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      ::_exit(3);
    }
    ::_exit(leftovers::has_children() ? 4 : 0);
  }
};

TEST(unusual_callers_test, a_static_destructor) {
  EXPECT_EQ(in_child([] {
              static const last_words late;
              check_all(parmap::map(parmap::threads, twice, std::views::iota(0, 100'000)), 100'000);
              std::exit(5);
            }),
            "");
}

TEST(unusual_callers_test, an_atexit_handler) {
  EXPECT_EQ(in_child([] {
              std::atexit(last_words::say);
              std::exit(5);
            }),
            "");
}

TEST(unusual_callers_test, a_destructor_while_an_exception_is_in_flight) {
  struct mapper {
    ~mapper() noexcept(false) {
      require(std::uncaught_exceptions() == 1, "in flight");
      check_map();
      check_late();
    }
  };
  EXPECT_EQ(in_child([] {
              require_part("first", thrown_by<std::runtime_error>([] {
                             const mapper here;
                             throw std::runtime_error("first");
                           }));
            }),
            "");
}

TEST(unusual_callers_test, a_catch_block) {
  EXPECT_EQ(in_child([] {
              try {
                throw std::runtime_error("first");
              } catch (const std::runtime_error&) {
                check_map();
                check_late();
              }
            }),
            "");
}

TEST(unusual_callers_test, a_thread_that_ends_before_its_results) {
  EXPECT_EQ(in_child([] {
              std::optional<parmap::results<std::string>> words;
              std::optional<parmap::results<int>> numbers;
              std::thread([&] {
                words = parmap::map([](int i) { return std::string(100, static_cast<char>('a' + i)); },
                                    std::views::iota(0, 26));
                numbers = parmap::map(twice, std::views::iota(0, 100));
              }).join();
              require((*words)[25] == std::string(100, 'z'), "words");
              check_all(*numbers, 100);
            }),
            "");
}

// Runs act in a thread with a stack of so many bytes.
void on_stack(std::size_t bytes, std::function<void()> act) {
  pthread_attr_t how{};
  pthread_t thread{};
  ::pthread_attr_init(&how);
  require(::pthread_attr_setstacksize(&how, bytes) == 0, "stack size");
  struct state {
    std::function<void()> act;
    std::exception_ptr thrown{};
  } both{std::move(act)};
  const auto run = [](void* at) -> void* {
    auto& here = *static_cast<state*>(at);
    try {
      here.act();
    } catch (...) {
      here.thrown = std::current_exception();
    }
    return nullptr;
  };
  require(::pthread_create(&thread, &how, run, &both) == 0, "thread");
  ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&how);
  if (both.thrown) std::rethrow_exception(both.thrown);
}

TEST(unusual_callers_test, a_thread_with_a_tiny_stack) {
  EXPECT_EQ(in_child([] {
              for (const std::size_t size : {64U << 10, 128U << 10})
                on_stack(size, [] {
                  check_map();
                  check_late();
                });
            }),
            "");
}

[[gnu::noinline]] int deep_down(int depth) {
  volatile char frame[64 << 10];
  frame[0] = 1;
  if (depth == 0) check_map();
  else deep_down(depth - 1);
  return frame[0];
}

TEST(unusual_callers_test, a_stack_of_megabytes) {
  EXPECT_EQ(in_child([] { on_stack(32U << 20, [] { deep_down(400); }); }), "");
}

TEST(unusual_callers_test, two_threads_with_different_engines) {
  EXPECT_EQ(in_child([] {
              std::atomic<int> wrong{0};
              const auto repeat = [&](const auto& act) {
                return std::jthread([&wrong, act] {
                  try {
                    for (int k = 0; k < 10; ++k) act();
                  } catch (const std::exception& error) {
                    std::fprintf(stderr, "%s\n", error.what());
                    ++wrong;
                  }
                });
              };
              {
                const auto a = repeat([] { check_map(); });
                const auto b = repeat(
                    [] { check_all(parmap::map(parmap::threads, twice, std::views::iota(0, 100'000)), 100'000); });
                const auto c = repeat([] { check_late(); });
              }
              require(wrong == 0, "all right");
            }),
            "");
}

// In every task a worker of an inner map dies. Task 2's inner map also kills its outer worker. Task 4's inner map never
// ends, so its outer worker is late.
TEST(unusual_callers_test, a_task_whose_inner_map_has_failures) {
  EXPECT_EQ(in_child([] {
              const auto f = [](int i) {
                if (i == 4) {
                  static_cast<void>(parmap::map([](int) { return ::pause(); }, std::views::iota(0, 3), {.workers = 3}));
                }
                check_map({.workers = 2});
                if (i == 2) {
                  const pid_t outer = ::getpid();
                  const auto kill_it = [&](int j) { return j == 1 ? ::kill(outer, SIGKILL) : 0; };
                  static_cast<void>(parmap::map(kill_it, std::views::iota(0, 3), {.workers = 2}));
                }
                return 2 * i;
              };
              const auto all = parmap::map(f, std::views::iota(0, 10), {.timeout = 3s, .workers = 3});
              check_all(all, 10, {2, 4});
              require(all.failures()[0].kind == parmap::failure::crashed, to_string(all.failures()[0]));
              require(all.failures()[1].kind == parmap::failure::timed_out, to_string(all.failures()[1]));
            }),
            "");
}

// ---- Standard streams.

class streams_test : public ::testing::TestWithParam<std::vector<int>> {};

TEST_P(streams_test, are_closed) {
  EXPECT_EQ(in_child([] {
              for (const int fd : GetParam()) ::close(fd);
              const auto f = [](int i) {
                std::printf("%d", i);
                std::fprintf(stderr, "%d", i);
                if (i == 5) std::exit(1);
                return 2 * i;
              };
              check_all(parmap::map(f, std::views::iota(0, 100), {.reporter = parmap::report::text}), 100, {5});
              check_map({.reporter = parmap::report::bar});
              check_late();
              for (const int fd : GetParam()) require(::fcntl(fd, F_GETFD) < 0, "still closed");
            }),
            "");
}

std::string stream_names(const ::testing::TestParamInfo<std::vector<int>>& which) {
  std::string text;
  for (const int fd : which.param) text += fd == 0 ? "in" : fd == 1 ? "out" : "err";
  return text;
}
INSTANTIATE_TEST_SUITE_P(each, streams_test,
                         ::testing::Values(std::vector{0}, std::vector{1}, std::vector{2}, std::vector{0, 1, 2}),
                         stream_names);

TEST(unusual_callers_test, nobody_reads_what_is_printed) {
  EXPECT_EQ(in_child([] {
              std::array<int, 2> fds{};
              require(::pipe(fds.data()) == 0, "pipe");
              ::close(fds[0]);
              ::dup2(fds[1], STDOUT_FILENO);
              const auto f = [](int i) {
                std::printf("%d", i);
                if (i == 5) std::fflush(stdout);
                return 2 * i;
              };
              const auto all = parmap::map(f, std::views::iota(0, 100));
              check_all(all, 100, {5});
              require_part("SIGPIPE", all.failures()[0].message);
              ::signal(SIGPIPE, SIG_IGN);
              check_all(parmap::map(f, std::views::iota(0, 100)), 100);
            }),
            "");
}

// getchar also holds the lock of stdin.
TEST(unusual_callers_test, a_thread_waits_for_input) {
  EXPECT_EQ(in_child([] {
              std::array<int, 2> fds{};
              require(::pipe(fds.data()) == 0, "pipe");
              ::dup2(fds[0], STDIN_FILENO);
              std::thread reader([] { std::getchar(); });
              while (::ftrylockfile(stdin) == 0) ::funlockfile(stdin);
              check_map();
              check_late();
              const auto f = [](int i) -> int {
                if (i % 2 == 0) std::quick_exit(0);
                std::exit(i);
              };
              require(parmap::map(f, std::views::iota(0, 10)).failures().size() == 10, "all left");
              require(::write(fds[1], "x", 1) == 1, "write");
              reader.join();
            }),
            "");
}

// ---- A process with odd habits.

TEST(unusual_callers_test, blocks_every_signal) {
  EXPECT_EQ(in_child([] {
              sigset_t all{};
              sigfillset(&all);
              ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
              check_map();
              check_late();
            }),
            "");
}

TEST(unusual_callers_test, has_a_session_a_niceness_and_a_parent_of_its_own) {
  EXPECT_EQ(in_child([] {
              require(::setsid() > 0, "setsid");
              require(::nice(10) == 10, "nice");
              require(::prctl(PR_SET_PDEATHSIG, SIGTERM) == 0, "pdeathsig");
              check_map();
              check_late();
              int signal = 0;
              require(::prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGTERM, "its parent's death still matters");
            }),
            "");
}

// Closes the descriptors by which the library knows its workers. Returns how many.
int close_pidfds() {
  std::vector<int> all;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(each, gone).string().find("pidfd") != std::string::npos)
      all.push_back(std::stoi(each.path().filename().string()));
  }
  for (const int fd : all) ::close(fd);
  return static_cast<int>(all.size());
}

// As a program does that makes itself a daemon: workers are neither taken for dead nor left.
TEST(unusual_callers_test, closes_all_descriptors) {
  EXPECT_EQ(in_child([] {
              const shared_counters begun;
              bool closed = false;
              const auto close_all = [&closed](const parmap::progress&) {
                if (!std::exchange(closed, true)) require(close_pidfds() == 2, "one for each worker");
              };
              const auto f = [&begun](int i) {
                ++begun[static_cast<std::size_t>(i)];
                std::this_thread::sleep_for(100ms);
              };
              require_part("closed a file descriptor", thrown_by<std::runtime_error>([&] {
                             static_cast<void>(parmap::map(parmap::multi, f, std::views::iota(0, 20),
                                                           {.reporter = close_all, .workers = 2}));
                           }));
              for (std::size_t i = 0; i < 20; ++i) require(begun[i] <= 1, "not twice");
              check_map();
            }),
            "");
}

TEST(unusual_callers_test, opens_other_files_in_place_of_its_descriptors) {
  EXPECT_EQ(in_child([] {
              bool closed = false;
              std::array<int, 2> mine{};
              const auto close_all = [&](const parmap::progress&) {
                if (std::exchange(closed, true)) return;
                require(close_pidfds() == 2, "one for each worker");
                for (int& fd : mine) fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
              };
              require_part("closed a file descriptor", thrown_by<std::runtime_error>([&] {
                             static_cast<void>(
                                 parmap::map(parmap::multi, [](int) { std::this_thread::sleep_for(100ms); },
                                             std::views::iota(0, 20), {.reporter = close_all, .workers = 2}));
                           }));
              for (const int fd : mine) require(::close(fd) == 0, "the program's files stay open");
            }),
            "");
}

// Its stack is unwound and the workers are gone; the process lives.
TEST(unusual_callers_test, is_a_thread_that_is_cancelled) {
  EXPECT_EQ(in_child([] {
              static const shared_counters begun;
              static std::atomic<bool> unwound{false};
              for (const bool timed : {false, true}) {
                begun[0] = 0;
                unwound = false;
                static std::optional<std::chrono::nanoseconds> limit;
                limit = timed ? std::optional<std::chrono::nanoseconds>(10s) : std::nullopt;
                pthread_t one{};
                const auto run = [](void*) -> void* {
                  struct last {
                    ~last() { unwound = true; }
                  } const at_the_end;
                  for (;;) {
                    const auto f = [](int i) {
                      if (i % 5 == 4) std::abort();
                      ++begun[0];
                    };
                    static_cast<void>(
                        parmap::map(parmap::multi, f, std::views::iota(0, 20), {.timeout = limit, .workers = 3}));
                  }
                };
                require(::pthread_create(&one, nullptr, run, nullptr) == 0, "a thread");
                while (begun[0] < 100) std::this_thread::yield();
                require(::pthread_cancel(one) == 0 && ::pthread_join(one, nullptr) == 0, "its end");
                require(unwound, "unwound");
                require(!leftovers::has_children(), "no worker is left");
              }
              check_map();
            }),
            "");
}

// The same in a task that runs in the caller's thread.
template <class Engine>
void cancel_in_a_task(const Engine& engine, unsigned retries) {
  static std::atomic<bool> unwound;
  static std::atomic<bool> waits;
  static const Engine* which;
  static unsigned more;
  unwound = waits = false;
  which = &engine;
  more = retries;
  pthread_t one{};
  const auto run = [](void*) -> void* {
    struct last {
      ~last() { unwound = true; }
    } const at_the_end;
    static const pthread_t caller = ::pthread_self();
    const auto f = [](int) {
      if (::pthread_equal(::pthread_self(), caller) == 0) {
        while (!waits) std::this_thread::yield();  // a task is left for the caller
        return;
      }
      waits = true;
      for (;;) ::pause();
    };
    static_cast<void>(parmap::map(*which, f, std::views::iota(0, 20), {.retries = more, .workers = 3}));
    return nullptr;
  };
  require(::pthread_create(&one, nullptr, run, nullptr) == 0, "a thread");
  while (!waits) std::this_thread::yield();
  require(::pthread_cancel(one) == 0 && ::pthread_join(one, nullptr) == 0, "its end");
  require(unwound, "unwound");
}

TEST(unusual_callers_test, is_a_thread_that_is_cancelled_in_its_own_task) {
  EXPECT_EQ(in_child([] {
              cancel_in_a_task(parmap::threads, 0);
              check_all(parmap::map(parmap::threads, twice, std::views::iota(0, 100'000)), 100'000);
            }),
            "");
  EXPECT_EQ(in_child([] {
              cancel_in_a_task(parmap::serial, 2);
              check_all(parmap::map(parmap::serial, twice, std::views::iota(0, 100)), 100);
            }),
            "");
}

// A coroutine cannot be unwound: a map under async goes on to its end, and the thread is cancelled after it.
TEST(unusual_callers_test, is_a_thread_that_is_cancelled_in_a_coroutine) {
  EXPECT_EQ(in_child([] {
              static std::atomic<bool> unwound{false};
              static std::atomic<bool> waits{false};
              static std::atomic<bool> ended{false};
              pthread_t one{};
              const auto run = [](void*) -> void* {
                struct last {
                  ~last() { unwound = true; }
                } const at_the_end;
                const auto f = [](int i) -> asio::awaitable<int> {
                  asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
                  co_await timer.async_wait(asio::use_awaitable);
                  for (waits = true; !ended;) std::this_thread::yield();
                  ::usleep(1);  // a cancellation point
                  co_return i;
                };
                const auto all = parmap::map(parmap::async, f, std::views::iota(0, 20));
                require(all.ok() && all.size() == 20, "the whole map");
                for (;;) ::pause();
              };
              require(::pthread_create(&one, nullptr, run, nullptr) == 0, "a thread");
              while (!waits) std::this_thread::yield();
              require(::pthread_cancel(one) == 0, "its end");
              ended = true;
              require(::pthread_join(one, nullptr) == 0 && unwound, "unwound");
            }),
            "");
}

// A lock that another thread held at the fork is a likely reason of a hang, so the failure names it; only where there
// is one.
TEST(unusual_callers_test, has_another_thread_when_a_task_hangs) {
  EXPECT_EQ(in_child([] {
              const auto message = [] {
                const auto hang = [](int i) {
                  for (;;) ::pause();
                  return i;
                };
                return parmap::map(hang, std::views::iota(0, 1), {.timeout = 100ms}).failures()[0].message;
              };
              const std::string part = "the caller has other threads";
              require(message().find(part) == std::string::npos, "alone");
              std::atomic<bool> over{false};
              std::thread other([&over] { over.wait(false); });
              require(message().find(part) != std::string::npos, "beside another thread");
              over = true;
              over.notify_all();
              other.join();
            }),
            "");
}

// Counts the shared mappings that this process could write to.
int writable_shared_mappings() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);)
    if (line.find("/dev/zero (deleted)") != std::string::npos && line.find(" rw-s ") != std::string::npos) ++count;
  return count;
}

// A worker has the memory of its own map, and may read the results of earlier ones; it has nothing of maps that run
// beside.
TEST(unusual_callers_test, maps_from_two_threads_whose_memory_stays_apart) {
  EXPECT_EQ(in_child([] {
              static const shared_counters at;
              const auto earlier = parmap::map(twice, std::views::iota(0, 100));
              const auto count = [&earlier](int i) {
                ++at[static_cast<std::size_t>(i)];  // a task of each map waits for one of the other
                while (at[0] == 0 || at[1] == 0) std::this_thread::yield();
                require(earlier[7] == 14, "an earlier result");
                return writable_shared_mappings();
              };
              std::thread other([&] {
                const auto one = parmap::map(count, std::views::iota(0, 1), {.workers = 1});
                require(one[0] == 3, "of this map two, and the counters: " + std::to_string(one[0]));
              });
              const auto two = parmap::map(count, std::views::iota(1, 2), {.workers = 1});
              other.join();
              require(two[0] == 3, "of this map two, and the counters: " + std::to_string(two[0]));
              check_map();
            }),
            "");
}

// What this program does once the next mapping is gone.
struct unmap_watcher {
  static inline const unmap_watcher* next = nullptr;
  std::function<void(void* at, std::size_t bytes)> act;
};

}  // namespace

// Stands for the system's in this program.
extern "C" int munmap(void* at, std::size_t bytes) noexcept {
  const long result = ::syscall(SYS_munmap, at, bytes);
  if (const unmap_watcher* const now = std::exchange(unmap_watcher::next, nullptr)) now->act(at, bytes);
  return static_cast<int>(result);
}

namespace {

// The addresses of a map's memory may belong to anything as soon as the map gives them up. A map that runs beside must
// not keep that from its workers.
TEST(unusual_callers_test, another_map_forks_just_when_the_memory_of_this_one_is_gone) {
  for (int unmaps = 1; unmaps <= 2; ++unmaps)  // ledger and arenas, then values
    EXPECT_EQ(in_child([unmaps] {
                int left = unmaps;
                bool asked = false;
                const unmap_watcher other_map{[&](void* at, std::size_t bytes) {
                  if (--left > 0) {
                    unmap_watcher::next = &other_map;
                    return;
                  }
                  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
                  const std::span own(static_cast<int*>(::mmap(at, bytes, PROT_READ | PROT_WRITE, flags, -1, 0)),
                                      bytes / sizeof(int));
                  require(own.data() == at, "its addresses are free");
                  const std::size_t middle = own.size() / 2;
                  own[middle] = 7;
                  std::thread([&] {
                    const auto read = parmap::map([&](int i) { return i + own[middle]; }, std::views::iota(0, 1));
                    require(read.ok() && read[0] == 7, "workers read memory of the program");
                    asked = true;
                  }).join();
                }};
                unmap_watcher::next = &other_map;
                check_map();
                require(asked, "the memory was given up");
              }),
              "");
}

TEST(unusual_callers_test, has_a_slow_reporter) {
  EXPECT_EQ(in_child([] {
              int calls = 0;
              const auto slow = [&](const parmap::progress&) {
                ++calls;
                std::this_thread::sleep_for(300ms);
              };
              const auto f = [](int i) {
                if (i == 50) ::raise(SIGKILL);
                std::this_thread::sleep_for(5ms);
                return 2 * i;
              };
              check_all(parmap::map(f, std::views::iota(0, 100), {.reporter = slow, .workers = 2}), 100, {50});
              require(calls > 0, "called");
            }),
            "");
}

TEST(unusual_callers_test, has_a_reporter_that_throws_at_its_nth_call) {
  for (int n = 1; n <= 4; ++n)
    EXPECT_EQ(in_child([n] {
                const auto fds = leftovers::open_fds();
                const auto mappings = leftovers::shared_mappings();
                int calls = 0;
                const auto report = [&](const parmap::progress&) {
                  if (++calls == n) throw std::runtime_error("no more");
                };
                const auto f = [](int i) {
                  if (i % 100 == 50) ::raise(SIGKILL);
                  std::this_thread::sleep_for(1ms);
                  return 2 * i;
                };
                require_part("no more", thrown_by<std::runtime_error>([&] {
                               static_cast<void>(parmap::map(f, std::views::iota(0, 100'000), {.reporter = report}));
                             }));
                require(!leftovers::has_children(), "no worker is left");
                require(leftovers::open_fds() == fds && leftovers::shared_mappings() == mappings, "nothing is left");
                check_map();
              }),
              "")
        << n;
}

}  // namespace
