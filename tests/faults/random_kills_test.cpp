// SPDX-License-Identifier: MIT
// Engine multi: random workers are killed every few milliseconds, at any instruction. No task is lost and no attempt
// runs twice.
#include "engines.hpp"
#include "leftovers.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <random>
#include <ranges>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

// For its lifetime, kills a random child of this process every `pause`.
class killer {
 public:
  killer(std::chrono::microseconds pause, std::uint64_t seed)
      : thread_([this, pause, seed](const std::stop_token& ended) {
          std::mt19937_64 random(seed);
          while (!ended.stop_requested()) {
            std::this_thread::sleep_for(pause);  // the pace of the kills, not a wait for an event
            const auto all = children();
            if (all.empty()) continue;
            if (::kill(all[random() % all.size()], SIGKILL) == 0) ++kills_;
          }
        }) {}

  int stop() {
    thread_.request_stop();
    thread_.join();
    return kills_;
  }

 private:
  static std::vector<pid_t> children() {
    // All workers are children of the main thread, which called map.
    std::ifstream file("/proc/self/task/" + std::to_string(::getpid()) + "/children");
    std::vector<pid_t> all;
    for (pid_t each{}; file >> each;) all.push_back(each);
    return all;
  }

  std::atomic<int> kills_{0};
  std::jthread thread_;
};

// Counts how often each task was begun, in memory that all workers share.
class tally {
 public:
  explicit tally(std::size_t n)
      : bytes_(n),
        begun_(static_cast<std::atomic<std::uint8_t>*>(
            ::mmap(nullptr, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  tally(const tally&) = delete;
  tally& operator=(const tally&) = delete;
  ~tally() { ::munmap(begun_, bytes_); }

  std::atomic<std::uint8_t>& operator[](std::size_t i) { return begun_[i]; }

 private:
  std::size_t bytes_;
  std::atomic<std::uint8_t>* begun_;
};

class random_kills_test : public leftovers::none {
 protected:
  static constexpr std::uint64_t seed = 20'240'611;

  // Task i: some hundred nanoseconds to some microseconds of work.
  static std::uint64_t work(std::uint64_t i) {
    std::uint64_t x = i + 1;
    for (std::uint64_t k = 0; k < 500 + i % 1000; ++k) x = x * 6364136223846793005U + 1442695040888963407U;
    return x;
  }

  template <class Result>
  static void under_fire(std::uint64_t n, unsigned workers, std::chrono::microseconds pause, unsigned retries,
                         Result&& result) {
    tally begun(n);
    killer fire(pause, seed);
    const auto f = [&](std::uint64_t i) {
      begun[i].fetch_add(1);
      return result(i, work(i));
    };
    const auto all = parmap::map(f, std::views::iota(std::uint64_t{0}, n), {.retries = retries, .workers = workers});
    const int kills = fire.stop();
    std::cout << "seed " << seed << ": " << kills << " kills, " << all.failures().size()
              << " tasks lost their worker\n";
    EXPECT_GT(kills, 0);
    EXPECT_LE(all.failures().size(), static_cast<std::size_t>(kills));
    std::uint64_t repeated = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
      const int times = begun[i];
      ASSERT_LE(times, static_cast<int>(1 + retries)) << "task " << i;
      if (times > 1) ++repeated;
      const auto* value = all.get_if(i);
      if (value == nullptr) continue;
      ASSERT_GE(times, 1) << "task " << i;
      ASSERT_EQ(*value, result(i, work(i))) << "task " << i;
    }
    EXPECT_LE(repeated, static_cast<std::uint64_t>(kills));
    for (const parmap::failure& why : all.failures()) {
      ASSERT_EQ(why.kind, parmap::failure::crashed) << why;
      ASSERT_NE(why.message.find("SIGKILL"), std::string::npos) << why;
      ASSERT_EQ(why.attempts, 1 + retries) << why;
    }
  }
};

TEST_F(random_kills_test, a_million_tasks_plain_results) {
  under_fire(1'000'000, 2, 5ms, 0, [](std::uint64_t, std::uint64_t x) { return x; });
}
TEST_F(random_kills_test, encoded_results) {
  under_fire(300'000, 3, 2ms, 0,
             [](std::uint64_t i, std::uint64_t x) { return std::string(i % 50, 'x') + std::to_string(x); });
}
TEST_F(random_kills_test, retries) {
  under_fire(300'000, 4, 2ms, 20, [](std::uint64_t, std::uint64_t x) { return x; });
}
TEST_F(random_kills_test, more_fire_than_work) {
  under_fire(500'000, 8, 300us, 1, [](std::uint64_t, std::uint64_t x) { return std::to_string(x); });
}

}  // namespace
