// SPDX-License-Identifier: MIT
// The parts of a pool: the state of a batch, and the list of tasks that have not been sent.
#include <parmap/detail/pools/batch_table.hpp>
#include <parmap/detail/pools/unsent_tasks.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

using parmap::detail::batch;
using parmap::detail::batch_table;
using parmap::detail::task_piece;
using parmap::detail::unsent_tasks;

// The caller's table and a worker's, in the same memory.
class batch_states : public ::testing::Test {
 protected:
  std::vector<batch_table::entry> memory_{batch_table::places};
  batch_table caller_{memory_.data()};
  batch_table worker_{memory_.data()};
  std::uint64_t number_ = caller_.put(batch_of(7));

  static batch batch_of(std::uint64_t task) {
    batch one{};
    one.first = task;
    one.count = 1;
    return one;
  }
};

TEST_F(batch_states, what_is_cancelled_does_not_begin) {
  ASSERT_NE(worker_.find(7), nullptr);
  EXPECT_TRUE(caller_.cancel(number_));
  EXPECT_FALSE(worker_.begin());
  EXPECT_TRUE(caller_.cancel(number_));
}

TEST_F(batch_states, what_has_begun_is_not_cancelled_and_goes_on) {
  ASSERT_NE(worker_.find(7), nullptr);
  EXPECT_TRUE(worker_.begin());
  EXPECT_FALSE(caller_.cancel(number_));
  EXPECT_FALSE(worker_.is_halted());
  EXPECT_FALSE(caller_.halt(number_));
  EXPECT_TRUE(worker_.is_halted());
  EXPECT_FALSE(caller_.cancel(number_));
}

std::vector<std::uint64_t> in_order(unsent_tasks& all) {
  std::vector<std::uint64_t> order;
  for (; !all.empty(); all.drop_front(1)) order.push_back(all.front().task);
  return order;
}

TEST(unsent_tasks_test, are_sent_in_order_and_those_first_that_are_tried_again) {
  unsent_tasks all;
  all.add({.task = 9, .count = 1});
  all.add({.task = 3, .count = 4});
  all.add({.task = 2, .count = 1, .attempt = 2});
  all.add({.task = 5, .count = 1, .attempt = 3});
  EXPECT_EQ(all.pieces(), 4U);
  EXPECT_EQ(in_order(all), (std::vector<std::uint64_t>{2, 5, 3, 4, 5, 6, 9}));
}

TEST(unsent_tasks_test, are_found_if_they_were_added_alone) {
  unsent_tasks all;
  all.add({.task = 3, .count = 4});
  for (std::uint64_t k = 10; k < 14; ++k) all.add({.task = k, .count = 1});
  EXPECT_EQ(all.find(4), nullptr);
  EXPECT_EQ(all.find(6), nullptr);
  EXPECT_EQ(all.find(14), nullptr);
  ASSERT_NE(all.find(12), nullptr);
  EXPECT_EQ(all.find(12)->task, 12U);
  all.drop(12);
  EXPECT_EQ(all.find(12), nullptr);
  EXPECT_EQ(in_order(all), (std::vector<std::uint64_t>{3, 4, 5, 6, 10, 11, 13}));
}

TEST(unsent_tasks_test, are_taken_by_their_numbers) {
  unsent_tasks all;
  all.add({.task = 0, .count = 3});
  all.add({.task = 3, .count = 2});
  all.add({.task = 5, .count = 2});
  all.add({.task = 7, .count = 9});
  all.add({.task = 4, .count = 1, .attempt = 2});
  unsent_tasks some;
  all.take(3, 4, some);
  EXPECT_EQ(in_order(some), (std::vector<std::uint64_t>{4, 3, 4, 5, 6}));
  EXPECT_EQ(all.pieces(), 2U);
  all.clear();
  EXPECT_TRUE(all.empty());
}

}  // namespace
