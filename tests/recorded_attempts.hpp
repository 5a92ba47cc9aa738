// SPDX-License-Identifier: MIT
// An observer that keeps all that it hears, and checks what holds for every engine.
#pragma once

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace recorded {

using parmap::detail::attempt;
using parmap::detail::attempt_observer;
using parmap::detail::seen_value;
using parmap::detail::worker_event;

// What became of one task.
struct task {
  std::vector<attempt> begun;
  std::vector<attempt> failed;
  std::vector<parmap::failure> whys;  // of failed
  std::optional<attempt> ended;
  std::optional<parmap::failure> why;  // of ended
  std::vector<std::byte> value;        // its bytes
};

class attempts final : public attempt_observer {
 public:
  // `size`: of an object that is a value; 0: values are not looked at.
  explicit attempts(std::size_t size = 0) : size_(size) {}

  void begun(const attempt& it) noexcept override {
    const alone here(*this, it.worker);
    task& of = tasks_[it.task];
    EXPECT_FALSE(of.ended) << it.task;
    EXPECT_EQ(it.number, of.begun.size() + 1) << it.task;
    EXPECT_EQ(of.failed.size(), of.begun.size()) << it.task;  // the attempt before has failed
    EXPECT_EQ(it.took.count(), 0);
    EXPECT_TRUE(living_.contains(it.worker)) << it.worker;
    of.begun.push_back(it);
  }
  void failed(const attempt& it, const parmap::failure& why) noexcept override {
    const alone here(*this, it.worker);
    task& of = tasks_[it.task];
    expect_running(of, it);
    expect_about(why, it);
    of.failed.push_back(it);
    of.whys.push_back(why);
  }
  void ended(const attempt& it, seen_value value, const parmap::failure* why) noexcept override {
    const alone here(*this, it.worker);
    task& of = tasks_[it.task];
    expect_running(of, it);
    EXPECT_FALSE(of.ended) << it.task;
    of.ended = it;
    if (why != nullptr) {
      expect_about(*why, it);
      of.why = *why;
      return;
    }
    const auto* const from = static_cast<const std::byte*>(value.object);
    if (size_ > 0 && from != nullptr) of.value.assign(from, from + size_);
    if (size_ > 0 && from == nullptr) of.value.assign(value.encoded.begin(), value.encoded.end());
  }
  void happened_to(unsigned worker, worker_event what, attempt::clock::time_point) noexcept override {
    const alone here(*this, worker);
    if (what == worker_event::born) {
      EXPECT_TRUE(living_.insert(worker).second) << worker;
      ++births_;
    } else {
      EXPECT_TRUE(living_.contains(worker)) << worker;
      if (what == worker_event::died) living_.erase(worker);
      else ++waits_;
    }
  }

  [[nodiscard]] const task& of(std::uint64_t index) { return tasks_[index]; }
  [[nodiscard]] std::size_t size() const { return tasks_.size(); }
  [[nodiscard]] std::size_t births() const { return births_; }
  [[nodiscard]] std::size_t waits() const { return waits_; }
  [[nodiscard]] bool all_have_died() const { return living_.empty(); }

  // Every task has ended, as the results say; but for those that were stopped.
  template <class Results>
  void expect_as(const Results& made) {
    std::set<std::uint64_t> stopped;
    for (const parmap::failure& why : made.failures())
      if (why.kind == parmap::failure::stopped) stopped.insert(why.index);
    std::uint64_t failed = 0;
    std::uint64_t ended = 0;
    for (const auto& [index, it] : tasks_) {
      EXPECT_NE(it.ended.has_value(), stopped.contains(index)) << index;
      if (it.ended) ++ended;
      if (it.why) ++failed;
    }
    EXPECT_EQ(ended, made.size() - stopped.size());
    EXPECT_EQ(failed, made.failures().size() - stopped.size());
    for (const parmap::failure& why : made.failures()) {
      if (stopped.contains(why.index)) continue;
      const auto& told = tasks_[why.index].why;
      ASSERT_TRUE(told) << why;
      EXPECT_EQ(told->kind, why.kind);
      EXPECT_EQ(told->message, why.message);
      EXPECT_EQ(told->attempts, why.attempts);
    }
    EXPECT_TRUE(all_have_died());
  }

 private:
  // Events of a worker come one at a time.
  class alone {
   public:
    alone(attempts& all, unsigned worker) : all_(all), worker_(worker), lock_(all.mutex_) {
      EXPECT_TRUE(all_.inside_.insert(worker).second) << worker;
      lock_.unlock();
      std::this_thread::yield();  // others of this worker would come in
      lock_.lock();
    }
    alone(const alone&) = delete;
    alone& operator=(const alone&) = delete;
    ~alone() { all_.inside_.erase(worker_); }

   private:
    attempts& all_;
    unsigned worker_;
    std::unique_lock<std::mutex> lock_;
  };

  static void expect_running(const task& of, const attempt& it) {
    EXPECT_EQ(it.number, of.begun.size()) << it.task;
    EXPECT_EQ(of.failed.size() + 1, of.begun.size()) << it.task;
    if (of.begun.empty()) return;
    EXPECT_EQ(it.worker, of.begun.back().worker) << it.task;
    EXPECT_EQ(it.began, of.begun.back().began) << it.task;
    EXPECT_GE(it.took.count(), 0) << it.task;
    EXPECT_LE(it.began + it.took, attempt::clock::now()) << it.task;
  }
  static void expect_about(const parmap::failure& why, const attempt& it) {
    EXPECT_EQ(why.index, it.task);
    EXPECT_EQ(why.attempts, it.number);
  }

  std::size_t size_;
  std::map<std::uint64_t, task> tasks_;
  std::set<unsigned> living_;
  std::size_t births_{};
  std::size_t waits_{};
  std::mutex mutex_;
  std::set<unsigned> inside_;
};

// Runs a map that tells `who`.
struct observed_run {
  attempt_observer& who;

  static constexpr bool is_map = true;

  template <class Engine, class Tasks>
  auto operator()(const Engine& it, const Tasks& tasks, const parmap::options& of_map) const {
    return it.run(tasks.observed_by(who), of_map);
  }
};

template <class Engine, class F, class Axis>
auto map(attempt_observer& who, const Engine& engine, F f, const Axis& axis, parmap::options chosen = {}) {
  return parmap::detail::map_axes_by(observed_run{who}, engine, f, std::move(chosen), axis);
}

}  // namespace recorded
