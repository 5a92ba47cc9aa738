// SPDX-License-Identifier: MIT
// The supervisor remembers the tasks that were blamed for a death; of a stream not all of them.
#include <parmap/detail/processes/dead_tasks.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace {

using parmap::detail::dead_tasks;

TEST(dead_tasks_test, dies_once_only) {
  dead_tasks some(dead_tasks::all);
  for (std::uint64_t k = 0; k < 10'000; ++k) some.note(k * 7919 % 10'007);
  EXPECT_EQ(some.size(), 10'000U);
  EXPECT_THROW(some.note(7919), std::runtime_error);
}

TEST(dead_tasks_test, of_a_stream_are_forgotten_after_many_others) {
  dead_tasks some(dead_tasks::of_stream);
  for (std::uint64_t k = 0; k < 20'000; ++k) some.note(k * 7919 % 20'011);
  EXPECT_EQ(some.size(), std::size_t{dead_tasks::of_stream});
  EXPECT_THROW(some.note(19'999 * std::uint64_t{7919} % 20'011), std::runtime_error);
  some.note(0);
}

}  // namespace
