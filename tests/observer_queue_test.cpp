// SPDX-License-Identifier: MIT
// observer_queue passes on in a thread of its own; time_keeper adds up.
#include "recorded_attempts.hpp"

#include <parmap/detail/observers/observer_queue.hpp>
#include <parmap/detail/observers/time_keeper.hpp>
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using parmap::failure;
using parmap::detail::attempt;
using parmap::detail::attempt_observer;
using parmap::detail::observer_queue;
using parmap::detail::seen_value;
using parmap::detail::time_keeper;
using parmap::detail::worker_event;

// Writes down what it hears. If it is to wait, it does so in its first event.
class listener final : public attempt_observer {
 public:
  void begun(const attempt& it) noexcept override { note("begun " + std::to_string(it.task)); }
  void failed(const attempt& it, const failure& why) noexcept override {
    note("failed " + std::to_string(it.task) + " " + why.message);
  }
  void ended(const attempt& it, seen_value value, const failure* why) noexcept override {
    std::string text = "ended " + std::to_string(it.task);
    if (value.object != nullptr) text += " " + std::to_string(*static_cast<const int*>(value.object));
    if (why != nullptr) text += " " + why->message;
    note(text);
  }
  void happened_to(unsigned worker, worker_event what, attempt::clock::time_point) noexcept override {
    note("worker " + std::to_string(worker) + " " + std::to_string(static_cast<int>(what)));
  }

  std::vector<std::string> heard;
  std::thread::id thread;
  std::shared_future<void> go_on;

 private:
  void note(const std::string& text) {
    if (heard.empty() && go_on.valid()) go_on.wait();
    thread = std::this_thread::get_id();
    heard.push_back(text);
  }
};

attempt of(std::uint64_t task, std::chrono::nanoseconds took = {}, unsigned number = 1) {
  return {task, number, 0, attempt::clock::now(), took};
}

TEST(observer_queue_test, passes_everything_on_in_order_in_another_thread) {
  listener to;
  const int value = 42;
  {
    observer_queue queue(to);
    queue.happened_to(3, worker_event::born, attempt::clock::now());
    queue.begun(of(7));
    {
      const failure why{7, parmap::failure_kind::threw, "once"};
      queue.failed(of(7), why);
    }  // it keeps a copy
    queue.ended(of(7), {.object = &value}, nullptr);
    const failure last{8, parmap::failure_kind::threw, "at last"};
    queue.ended(of(8), {}, &last);
    queue.drain();
    EXPECT_EQ(to.heard.size(), 5U);
    queue.happened_to(3, worker_event::died, attempt::clock::now());
    EXPECT_EQ(queue.lost(), 0U);
  }
  EXPECT_EQ(to.heard, (std::vector<std::string>{"worker 3 0", "begun 7", "failed 7 once", "ended 7 42",
                                                "ended 8 at last", "worker 3 1"}));
  EXPECT_NE(to.thread, std::this_thread::get_id());
}

TEST(observer_queue_test, holds_nobody_up_until_its_bound) {
  listener to;
  std::promise<void> go_on;
  to.go_on = go_on.get_future();
  observer_queue queue(to, 10);
  // The first one is with the listener, or still waits.
  for (std::uint64_t k = 0; k < 10; ++k) queue.begun(of(k));
  std::atomic<bool> passed{false};
  std::jthread more([&] {
    queue.begun(of(10));
    queue.begun(of(11));  // beyond the bound: waits until the listener goes on
    passed = true;
  });
  EXPECT_FALSE(passed);
  go_on.set_value();
  more.join();
  queue.drain();
  ASSERT_EQ(to.heard.size(), 12U);
  EXPECT_EQ(to.heard.back(), "begun 11");
}

TEST(observer_queue_test, takes_what_a_map_tells) {
  time_keeper kept;
  observer_queue queue(kept);
  const auto f = [](int x) { return x; };
  const std::vector<int> numbers(1000);
  EXPECT_TRUE(recorded::map(queue, parmap::threads, f, numbers).ok());
  EXPECT_TRUE(recorded::map(queue, parmap::multi, f, numbers).ok());
  queue.drain();
  EXPECT_EQ(kept.times().slowest.size(), 5U);
}

TEST(time_keeper_test, keeps_the_slowest_attempt_of_the_slowest_tasks) {
  time_keeper kept;
  for (std::uint64_t k = 0; k < 10; ++k) kept.ended(of(k, std::chrono::milliseconds(k * 7 % 10)), {}, nullptr);
  // Times 0 7 4 1 8 5 2 9 6 3; a task's first attempt may be the slowest, and a slow attempt may come later.
  kept.failed(of(7, 1ms, 2), failure{});
  kept.failed(of(9, 20ms, 2), failure{});
  const auto all = kept.times();
  EXPECT_EQ(all.busy, 45ms + 21ms);
  ASSERT_EQ(all.slowest.size(), 5U);
  const auto expect = [&](std::size_t place, std::uint64_t task, std::chrono::milliseconds took, unsigned number) {
    EXPECT_EQ(all.slowest[place].index, task);
    EXPECT_EQ(all.slowest[place].took, took);
    EXPECT_EQ(all.slowest[place].attempt, number);
  };
  expect(0, 9, 20ms, 2);
  expect(1, 7, 9ms, 1);
  expect(2, 4, 8ms, 1);
  expect(3, 1, 7ms, 1);
  expect(4, 8, 6ms, 1);
}

TEST(time_keeper_test, counts_each_worker_once) {
  time_keeper kept;
  for (const unsigned w : {0U, 1U, 0U, 2U, 1U}) kept.happened_to(w, worker_event::born, {});
  EXPECT_EQ(kept.times().workers, 3U);
}

}  // namespace
