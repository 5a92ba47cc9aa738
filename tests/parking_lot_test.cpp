// SPDX-License-Identifier: MIT
// The words on which threads sleep on macOS and Windows. The code is the standard library's alone, so Linux can test
// it.
#include <parmap/detail/system/portable/parking_lot.hpp>
#include <parmap/detail/system/portable/parking_lot.inl.hpp>

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace {

using parmap::detail::parking_lot;

constexpr std::chrono::nanoseconds no_limit = std::chrono::nanoseconds::max();

// Each thread waits for its turn, and sets the next one's. A wake that is lost hangs the test.
void hand_round(parking_lot::word& turn, std::uint32_t players, std::uint32_t rounds) {
  std::vector<std::thread> all;
  for (std::uint32_t me = 0; me < players; ++me)
    all.emplace_back([&, me] {
      parking_lot& here = parking_lot::of_this_process();
      for (std::uint32_t seen = turn.load(); seen < players * rounds; seen = turn.load()) {
        if (seen % players != me) {
          here.park(turn, seen, no_limit);
        } else {
          turn.store(seen + 1);
          here.unpark(turn);
        }
      }
    });
  for (std::thread& each : all) each.join();
}

TEST(parking_lot, wakes_those_that_sleep_on_a_word) {
  parking_lot::word turn{0};
  hand_round(turn, 3, 3000);
  EXPECT_EQ(turn.load(), 9000U);
}

// More words than groups, so that some share one.
TEST(parking_lot, words_of_one_group_wake_each_other_and_go_back_to_sleep) {
  std::array<parking_lot::word, 100> words{};
  std::vector<std::thread> pairs;
  for (parking_lot::word& each : words) pairs.emplace_back([&each] { hand_round(each, 2, 20); });
  for (std::thread& each : pairs) each.join();
  for (const parking_lot::word& each : words) EXPECT_EQ(each.load(), 40U);
}

TEST(parking_lot, a_wait_ends_at_its_limit_and_does_not_begin_for_another_value) {
  parking_lot::word word{7};
  parking_lot& here = parking_lot::of_this_process();
  here.park(word, 7, std::chrono::milliseconds(1));
  here.park(word, 8, no_limit);
  SUCCEED();
}

TEST(parking_lot, a_forked_process_has_its_own) {
  parking_lot* const of_parent = &parking_lot::of_this_process();
  EXPECT_EQ(&parking_lot::of_this_process(), of_parent);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(&parking_lot::of_this_process() != of_parent ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
