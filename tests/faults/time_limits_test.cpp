// SPDX-License-Identifier: MIT
// Engine multi: whatever a worker hangs in, from its fork to its end, a limit ends it. The limits are shorter here.
#define PARMAP_TEST_LIMIT 300  // NOLINT(cppcoreguidelines-macro-usage)
#include "leftovers.hpp"
#include "shared_counters.hpp"

#include <parmap/parmap.hpp>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;

[[noreturn]] void hang() {
  for (;;) ::pause();
}

class time_limits_test : public leftovers::none {};

struct hangs_when_destroyed {
  hangs_when_destroyed() = default;
  hangs_when_destroyed(const hangs_when_destroyed&) = default;
  hangs_when_destroyed& operator=(const hangs_when_destroyed&) = default;
  ~hangs_when_destroyed() { hang(); }
};

TEST_F(time_limits_test, the_destructor_of_what_a_task_throws) {
  const auto f = [](int i) {
    if (i == 2) throw hangs_when_destroyed();
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 6), {.retries = 1, .timeout = 300ms, .workers = 2});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 2U);
  EXPECT_EQ(all.failures()[0].kind, failure::timed_out);
  EXPECT_EQ(all.failures()[0].attempts, 2U);
}

// stdout is a full pipe that nobody reads. Every task has ended, so every value is there.
TEST_F(time_limits_test, output_that_nobody_reads) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
  const std::string much(65536, 'x');
  while (::write(ends[1], much.data(), much.size()) > 0) {
  }
  ASSERT_EQ(::fcntl(ends[1], F_SETFL, 0), 0);
  std::fflush(stdout);
  const int before = ::dup(1);
  ASSERT_EQ(::dup2(ends[1], 1), 1);
  const auto f = [](int i) {
    std::printf("task %d\n", i);
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 4), {.timeout = 300ms, .workers = 2});
  ASSERT_EQ(::dup2(before, 1), 1);
  for (const int each : {before, ends[0], ends[1]}) ::close(each);
  EXPECT_TRUE(all.ok());
  EXPECT_EQ(all.values().size(), 4U);
}

// A worker has a limit for its end even where tasks have none.
TEST_F(time_limits_test, a_handler_of_atexit) {
  const auto f = [](int i) {
    std::atexit([] { hang(); });
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 4), {.workers = 2});
  EXPECT_TRUE(all.ok());
}

// The element of an axis is made inside its task.
TEST_F(time_limits_test, an_element_of_an_axis) {
  const auto make = [](int i) {
    if (i == 3) hang();
    return i;
  };
  const auto all = parmap::map([](int i) { return i; }, std::views::iota(0, 6) | std::views::transform(make),
                               {.timeout = 300ms, .workers = 2});
  ASSERT_EQ(all.failures().size(), 1U);
  EXPECT_EQ(all.failures()[0].index, 3U);
  EXPECT_EQ(all.failures()[0].kind, failure::timed_out);
}

// Every birth hangs, as where a handler of pthread_atfork waits for a thread that does not exist in the child.
TEST_F(time_limits_test, every_birth) {
  static bool births_hang = false;
  ASSERT_EQ(::pthread_atfork(nullptr, nullptr,
                             [] {
                               if (births_hang) hang();
                             }),
            0);
  births_hang = true;
  const auto f = [](int i) { return i; };
  try {
    static_cast<void>(parmap::map(f, std::views::iota(0, 4), {.timeout = 20ms, .workers = 2}));
    ADD_FAILURE() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string_view(error.what()).find("had not begun 300 ms after their fork"), std::string_view::npos)
        << error.what();
  }
  births_hang = false;
}

// One birth hangs: the others do the work, and its worker is gone at the end.
TEST_F(time_limits_test, one_birth) {
  static const shared_counters* births = nullptr;
  const shared_counters counted;
  births = &counted;
  ASSERT_EQ(::pthread_atfork(nullptr, nullptr,
                             [] {
                               if (births != nullptr && (*births)[0]++ == 0) hang();
                             }),
            0);
  const auto f = [&counted](int i) {
    while (counted[0] < 2) ::usleep(1000);
    ::usleep(400'000);
    return i;
  };
  const auto all = parmap::map(f, std::views::iota(0, 4), {.timeout = 20s, .workers = 2});
  births = nullptr;
  EXPECT_TRUE(all.ok());
}

}  // namespace
