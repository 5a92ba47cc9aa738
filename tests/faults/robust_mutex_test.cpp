// SPDX-License-Identifier: MIT
// The ledger's lock between processes: some die while they hold it, and some find a word in it that no process can have
// left.
#include "leftovers.hpp"

#include <parmap/detail/processes/robust_mutex.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

namespace {

using parmap::detail::child_process;
using parmap::detail::ending;
using parmap::detail::robust_mutex;

constexpr unsigned workers = 3;
constexpr robust_mutex::user users = workers + 1;

// What the lock guards. `first` and `second` are equal while no process holds the lock.
struct guarded {
  robust_mutex lock;
  std::uint64_t first{};
  std::uint64_t second{};
  std::atomic<std::uint64_t> turns{};
  std::atomic<bool> enough{};
};

class robust_mutex_test : public leftovers::none {
 protected:
  [[nodiscard]] guarded& shared() const { return *shared_; }

  void lock(robust_mutex::user self) {
    const auto has_died = [&](robust_mutex::user owner) {
      return self == robust_mutex::supervisor && (!hired_[owner - 1] || hired_[owner - 1]->has_died());
    };
    shared().lock.lock(self, users, has_died, [this](robust_mutex::user last) {
      last_ = last;
      ++repairs_;
      shared().second = shared().first;
    });
  }
  // Returns false if the guarded numbers differ.
  bool take_turn(robust_mutex::user self) {
    lock(self);
    const bool good = shared().first == shared().second;
    shared().first += 1;
    shared().turns += 1;
    shared().second += 1;
    shared().lock.unlock(self);
    return good;
  }
  void hire(unsigned w, const std::function<void(robust_mutex::user self)>& life) {
    hired_[w].emplace([&] {
      life(w + 1);
      ::_exit(0);
    });
  }
  ending reap(unsigned w) {
    const ending how = hired_[w]->reap();
    hired_[w].reset();
    return how;
  }
  // Returns once the word's lowest bit is set: a worker has said that it sleeps.
  void await_sleeper() const {
    while (word() % 2 == 0) ::sched_yield();
  }
  [[nodiscard]] std::uint32_t word() const {
    return reinterpret_cast<const std::atomic<std::uint32_t>&>(shared().lock).load();
  }
  // Wakes nobody.
  void write_over(std::uint32_t value) const { reinterpret_cast<std::atomic<std::uint32_t>&>(shared().lock) = value; }

  int repairs_{};
  robust_mutex::user last_{};  // whose death was repaired last
  std::vector<std::optional<child_process>> hired_{workers};

 private:
  parmap::detail::shared_memory memory_{sizeof(guarded)};
  guarded* shared_{::new (memory_.data()) guarded};
};

TEST_F(robust_mutex_test, lets_in_one_at_a_time) {
  constexpr std::uint64_t turns = 20'000;
  for (unsigned w = 0; w < workers; ++w)
    hire(w, [this](robust_mutex::user self) {
      for (std::uint64_t k = 0; k < turns; ++k)
        if (!take_turn(self)) ::_exit(1);
    });
  for (std::uint64_t k = 0; k < turns; ++k) EXPECT_TRUE(take_turn(robust_mutex::supervisor));
  for (unsigned w = 0; w < workers; ++w) EXPECT_EQ(reap(w).code, 0);
  EXPECT_EQ(shared().first, turns * users);
  EXPECT_EQ(repairs_, 0);
}

// A process may die at any instruction: the next one to lock finds the numbers equal, and gets in.
TEST_F(robust_mutex_test, is_inherited_from_those_that_die_inside) {
  constexpr unsigned seed = 29;
  constexpr int deaths = 400;
  std::cout << "seed " << seed << '\n';
  std::mt19937 random(seed);
  const auto life = [this](robust_mutex::user self) {
    while (!shared().enough)
      if (!take_turn(self)) ::_exit(1);
  };
  for (unsigned w = 0; w < workers; ++w) hire(w, life);
  for (int k = 0; k < deaths; ++k) {
    const unsigned w = static_cast<unsigned>(random()) % workers;
    const std::uint64_t turns = shared().turns + random() % 200;
    while (shared().turns < turns) ::sched_yield();
    hired_[w]->kill();
    ASSERT_EQ(reap(w).how, ending::killed);
    ASSERT_TRUE(take_turn(robust_mutex::supervisor));
    hire(w, life);
  }
  shared().enough = true;
  for (unsigned w = 0; w < workers; ++w) EXPECT_EQ(reap(w).code, 0);
  EXPECT_TRUE(take_turn(robust_mutex::supervisor));
  EXPECT_GT(repairs_, 0);
  std::cout << repairs_ << " of " << deaths << " died inside\n";
}

TEST_F(robust_mutex_test, who_is_not_the_supervisor_does_not_inherit_it) {
  hire(0, [this](robust_mutex::user self) {
    lock(self);
    ::_exit(0);
  });
  EXPECT_EQ(reap(0).code, 0);
  hire(1, [this](robust_mutex::user self) { ::_exit(take_turn(self) && repairs_ == 0 ? 0 : 1); });
  await_sleeper();
  EXPECT_FALSE(hired_[1]->has_died());
  EXPECT_TRUE(take_turn(robust_mutex::supervisor));
  EXPECT_EQ(repairs_, 1);
  EXPECT_EQ(last_, 1U);
  EXPECT_EQ(reap(1).code, 0);
}

// The situation after the process that was to wake the sleeper has died before it could.
TEST_F(robust_mutex_test, who_sleeps_gets_in_though_nobody_wakes_it) {
  const std::uint32_t free = word();
  lock(robust_mutex::supervisor);
  hire(0, [this](robust_mutex::user self) { take_turn(self); });
  await_sleeper();
  write_over(free);
  EXPECT_EQ(reap(0).code, 0);
}

TEST_F(robust_mutex_test, a_word_that_nobody_left_is_damage) {
  const std::uint32_t free = word();
  lock(robust_mutex::supervisor);
  const std::uint32_t held_by_us = word();
  EXPECT_THROW(lock(robust_mutex::supervisor), std::runtime_error);
  const std::uint32_t held_by_one_more = held_by_us + (held_by_us - free) * users;
  for (const std::uint32_t nonsense :
       {0U, 1U, 2U, 0x0101'0101U, 0x7fff'ffffU, 0x8000'0000U, std::numeric_limits<std::uint32_t>::max(), free - 2,
        free - 1, free + 1, held_by_one_more, held_by_one_more + 1}) {
    write_over(nonsense);
    EXPECT_THROW(lock(robust_mutex::supervisor), std::runtime_error) << nonsense;
    EXPECT_THROW(lock(workers), std::runtime_error) << nonsense;
  }
}

}  // namespace
