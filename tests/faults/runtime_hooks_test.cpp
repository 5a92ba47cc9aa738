// SPDX-License-Identifier: MIT
// The hooks by which a language runtime follows a map on processes, and its exceptions, which must arrive word for
// word.
#include "engines.hpp"
#include "leftovers.hpp"
#include "run_in_child.hpp"
#include "shared_counters.hpp"

#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/system/language_runtime.hpp>

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <ranges>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;
using parmap::failure;
using parmap::detail::foreign_exception;

// Counts the calls of each hook over all processes. begin_worker() takes as long as the test wants.
class counting_host final : public parmap::detail::language_runtime {
 public:
  enum count { forks_begun, forks_ended, workers_begun, workers_ended, sleeps_begun, sleeps_ended, outside, counts };

  void before_fork() noexcept override { add(forks_begun, is_caller() && paired(forks_begun, forks_ended)); }
  void after_fork() noexcept override {
    add(forks_ended, is_caller());
    errno = EXDEV;  // must not be taken for the fork's error
  }
  void begin_worker(unsigned worker) noexcept override {
    add(workers_begun, !is_caller() && !begun_ && worker < 8);
    begun_ = true;
    std::this_thread::sleep_for(birth);
  }
  void end_worker() noexcept override { add(workers_ended, !is_caller() && begun_); }
  void before_sleep() noexcept override { add(sleeps_begun, is_caller() && paired(sleeps_begun, sleeps_ended)); }
  void after_sleep() override {
    add(sleeps_ended, is_caller());
    errno = EXDEV;
  }

  [[nodiscard]] int operator[](count which) const { return counts_[which]; }
  [[nodiscard]] bool begun() const noexcept { return begun_; }
  void reset(std::chrono::milliseconds how_long_a_birth = 0ms) {
    for (std::size_t k = 0; k < counts; ++k) counts_[k] = 0;
    caller_ = ::getpid();
    birth = how_long_a_birth;
  }

 private:
  [[nodiscard]] bool is_caller() const noexcept { return ::getpid() == caller_; }
  [[nodiscard]] bool paired(count first, count second) const noexcept { return counts_[first] == counts_[second]; }
  void add(count which, bool in_place) noexcept {
    ++counts_[which];
    if (!in_place) ++counts_[outside];
  }

  shared_counters counts_;
  pid_t caller_{};
  std::chrono::milliseconds birth{};
  bool begun_{};
};

counting_host& installed() {
  static counting_host it;
  parmap::detail::language_runtime::install(it);
  return it;
}

class runtime_hooks_test : public leftovers::none {
 protected:
  void SetUp() override {
    here.reset();
    none::SetUp();
  }
  // Checks the counts after a map with so many workers, of which `ended` came to an end that calls end_worker(). If a
  // worker has died, one more child has written the inputs for the failures.
  static void expect_counts(int workers, int ended, bool one_has_died) {
    EXPECT_EQ(here[counting_host::forks_begun], workers + (one_has_died ? 1 : 0));
    EXPECT_EQ(here[counting_host::forks_ended], workers + (one_has_died ? 1 : 0));
    EXPECT_EQ(here[counting_host::workers_begun], workers);
    EXPECT_EQ(here[counting_host::workers_ended], ended);
    EXPECT_GT(here[counting_host::sleeps_begun], 0);
    EXPECT_EQ(here[counting_host::sleeps_begun], here[counting_host::sleeps_ended]);
    EXPECT_EQ(here[counting_host::outside], 0);
  }

  static inline counting_host& here = installed();
};

TEST_F(runtime_hooks_test, hears_of_each_worker) {
  // Each worker has a task that waits for the others, so that no worker is dismissed before it has begun.
  const shared_counters at_work;
  const auto f = [&at_work](int i) {
    ++at_work[0];
    while (at_work[0] < 3) std::this_thread::yield();
    return here.begun() ? i : -1;
  };
  const auto all = parmap::map(f, std::views::iota(0, 300), {.workers = 3});
  ASSERT_TRUE(all.ok()) << all.failures()[0];
  for (std::size_t i = 0; i < 300; ++i) EXPECT_EQ(all[i], static_cast<int>(i));
  expect_counts(3, 3, false);
}

TEST_F(runtime_hooks_test, hears_of_exit_and_of_replacements) {
  const auto f = [](int i) {
    if (i == 1) std::exit(3);
    if (i == 2) std::quick_exit(3);
    if (i == 3) ::pthread_exit(nullptr);
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 5), {.workers = 1});
  EXPECT_EQ(all.failures().size(), 3U);
  expect_counts(4, 4, true);
}

TEST_F(runtime_hooks_test, cannot_hear_of_a_kill) {
  const auto f = [](int i) {
    if (i == 1) ::raise(SIGKILL);
    if (i == 2) ::_exit(0);
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 5), {.workers = 1});
  EXPECT_EQ(all.failures().size(), 2U);
  expect_counts(3, 1, true);
}

TEST_F(runtime_hooks_test, a_birth_does_not_count_against_a_tasks_limit) {
  here.reset(1500ms);
  const auto all = parmap::map([](int i) { return i; }, std::views::iota(0, 3), {.timeout = 1s, .workers = 1});
  EXPECT_TRUE(all.ok()) << all.failures()[0];
  expect_counts(1, 1, false);
}

TEST_F(runtime_hooks_test, hears_when_a_fork_was_refused) {
  EXPECT_EQ(in_child([] {
              here.reset();
              refuse({SYS_clone, SYS_clone3, SYS_fork, SYS_vfork}, EAGAIN);
              try {
                static_cast<void>(parmap::map(twice, std::views::iota(0, 10)));
                throw std::logic_error("no exception");
              } catch (const std::system_error& error) {
                require(error.code().value() == EAGAIN, error.what());
              }
              require(here[counting_host::forks_begun] > 0, "told of the fork");
              require(here[counting_host::forks_begun] == here[counting_host::forks_ended], "and of its end");
              require(here[counting_host::workers_begun] == 0 && here[counting_host::outside] == 0, "of nothing else");
            }),
            "");
}

TEST_F(runtime_hooks_test, the_engines_in_process_are_no_news) {
  static_cast<void>(parmap::map(parmap::threads, twice, std::views::iota(0, 100)));
  static_cast<void>(parmap::map(parmap::serial, twice, std::views::iota(0, 100)));
  for (int k = 0; k < counting_host::counts; ++k) EXPECT_EQ(here[static_cast<counting_host::count>(k)], 0);
}

const std::string words("line 1\nline 2\0, verbatim", 23);

// Its codec throws exceptions of the language runtime.
struct foreign {
  std::string text;
};

}  // namespace

template <>
struct parmap::codec<foreign> {
  static void encode(encoder& out, const foreign& it) {
    if (it.text == "1") throw foreign_exception{failure::unencodable, words};
    if (it.text == "2") throw foreign_exception{failure::out_of_memory, words};
    out.put(it.text);
  }
  static foreign decode(decoder& in) {
    auto text = in.get<std::string>();
    if (text == "3") throw foreign_exception{failure::unencodable, words};
    return {std::move(text)};
  }
};

namespace {

template <class Engine>
class runtime_exception_test : public leftovers::none {};
TYPED_TEST_SUITE(runtime_exception_test, engines::skipping, engines::names);

TYPED_TEST(runtime_exception_test, of_a_task_arrives_verbatim) {
  const auto f = [](int i) {
    if (i == 1) throw foreign_exception{failure::threw, words};
    if (i == 2) throw foreign_exception{failure::out_of_memory, ""};
    return i;
  };
  const auto all = parmap::map(TypeParam::engine, f, std::views::iota(0, 4));
  ASSERT_EQ(all.failures().size(), 2U);
  EXPECT_EQ(all.failures()[0].kind, failure::threw);
  EXPECT_EQ(all.failures()[0].message, words);
  EXPECT_EQ(all.failures()[1].kind, failure::out_of_memory);
  EXPECT_EQ(all.failures()[1].message, "");
}

TEST_F(runtime_hooks_test, an_exception_of_a_codec_arrives_verbatim) {
  const auto all = parmap::map([](int i) { return foreign{std::to_string(i)}; }, std::views::iota(0, 5));
  ASSERT_EQ(all.failures().size(), 3U);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(all.failures()[k].index, k + 1);
    EXPECT_EQ(all.failures()[k].kind, k == 1 ? failure::out_of_memory : failure::unencodable);
    EXPECT_EQ(all.failures()[k].message, words);
  }
  EXPECT_EQ(all[4].text, "4");
}

}  // namespace
