// SPDX-License-Identifier: MIT
// The memory of large inputs and results goes back to the system once they have been taken: of pools, streams and maps.
#include "leftovers.hpp"
#include "watchdog.hpp"

#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t mib = std::size_t{1} << 20;
constexpr std::size_t large = 34 * mib;
constexpr std::size_t little = 12 * mib;  // less than half of a large value

// The bytes of memory of this kind that a process has: RssShmem is what it shares, RssAnon its own.
std::size_t memory_of(pid_t pid, const std::string& kind) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; file >> word;)
    if (word == kind + ":") {
      std::size_t kib = 0;
      file >> kib;
      return kib << 10;
    }
  return 0;
}
std::size_t shared_memory_of(pid_t pid) { return memory_of(pid, "RssShmem"); }

std::string letters(std::size_t size) { return std::string(size, 'x'); }
pid_t own_pid(int) { return ::getpid(); }

class large_values_test : public leftovers::none {
 protected:
  // Until a worker that waits has given back its memory.
  static void wait_until_little_is_shared(pid_t worker) {
    while (shared_memory_of(worker) > little || shared_memory_of(::getpid()) > little) std::this_thread::yield();
  }
  void wait_until_little_is_left(pid_t worker) const {
    wait_until_little_is_shared(worker);
    while (memory_of(worker, "RssAnon") > base_ + little) std::this_thread::yield();
  }
  // Call before large values.
  pid_t note_worker(const parmap::pool& workers) {
    const pid_t worker = workers.submit(own_pid, 0).get();
    base_ = memory_of(worker, "RssAnon");
    return worker;
  }

  watchdog dog_{30s};
  std::size_t base_{};
};

TEST_F(large_values_test, results_of_a_pool) {
  const parmap::pool workers({.workers = 1});
  const pid_t worker = note_worker(workers);
  // So that a result is written to a block that is too small, and to one that is free.
  for (const std::size_t size : {large, large / 2, large}) {
    const auto all = parmap::map(workers, letters, std::vector(2, size));
    EXPECT_EQ(all.value()[1].size(), size);
    EXPECT_EQ(workers.submit(letters, size).get().size(), size);
    if (size != large / 2) wait_until_little_is_shared(worker);
  }
}

struct half_encoded {
  int unused;
};

}  // namespace

template <>
struct parmap::codec<half_encoded> {
  static void encode(encoder& out, const half_encoded&) {
    out.put(letters(large));
    throw std::runtime_error("half of it is written");
  }
  static half_encoded decode(decoder&) { return {}; }
};

namespace {

TEST_F(large_values_test, results_and_inputs_that_cannot_be_encoded) {
  const parmap::pool workers({.workers = 1});
  const pid_t worker = note_worker(workers);
  const auto f = [](int i) { return half_encoded{i}; };
  for (int round = 0; round < 2; ++round) {
    const auto all = parmap::map(workers, f, std::vector{1});
    EXPECT_EQ(all.failures().size(), 1U);
    wait_until_little_is_shared(worker);
    EXPECT_THROW(static_cast<void>(workers.submit([](const half_encoded&) {}, half_encoded())), std::runtime_error);
    EXPECT_LT(shared_memory_of(::getpid()), little);
    static_cast<void>(workers.submit(letters, large).get());  // so that there is a free block
  }
}

TEST_F(large_values_test, inputs_of_a_pool) {
  const parmap::pool workers({.workers = 1});
  const pid_t worker = note_worker(workers);
  const auto size_of = [](const std::string& text) { return text.size(); };
  const std::string text = letters(large);
  EXPECT_EQ(workers.submit(size_of, text).get(), large);
  EXPECT_LT(shared_memory_of(::getpid()), little);
  wait_until_little_is_left(worker);
  EXPECT_EQ(parmap::map(workers, size_of, std::vector(2, text)).value()[1], large);
  EXPECT_LT(shared_memory_of(::getpid()), little);
  wait_until_little_is_left(worker);
  for (auto&& each : parmap::stream(workers, size_of, std::vector(2, text))) EXPECT_EQ(*each.outcome, large);
  EXPECT_LT(shared_memory_of(::getpid()), little);
  wait_until_little_is_left(worker);
}

// The last one stays, as it may be called again.
TEST_F(large_values_test, functions_of_a_pool) {
  const parmap::pool workers({.workers = 1});
  const pid_t worker = note_worker(workers);
  const auto size_of = [](int, const std::string& text) { return text.size(); };
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_EQ(workers.submit(parmap::fargs(size_of, letters(large + k)), 1).get(), large + k);
    EXPECT_LT(shared_memory_of(::getpid()), large + little);  // sent, as results are small
    EXPECT_LT(memory_of(worker, "RssAnon"), base_ + large + little);
  }
}

TEST_F(large_values_test, results_and_inputs_of_a_stream) {
  const auto same = [](std::string text) { return text; };
  const auto lazy = std::views::iota(0, 4) | std::views::transform([](int i) { return letters(i < 2 ? large : 1); });
  std::uint64_t count = 0;
  for (auto&& each : parmap::stream(parmap::multi, same, lazy, {.ordered = true, .window = 1, .workers = 1})) {
    EXPECT_EQ(each.outcome->size(), ++count < 3 ? large : 1);
    while (count == 3 && shared_memory_of(::getpid()) > little) std::this_thread::yield();
  }
  EXPECT_EQ(count, 4U);
}

struct decoded_here {
  std::string text;
};
std::size_t at_last_value = 0;  // shared memory of the caller

}  // namespace

template <>
struct parmap::codec<decoded_here> {
  static void encode(encoder& out, const decoded_here& it) { out.put(it.text); }
  static decoded_here decode(decoder& in) {
    decoded_here made{in.get<std::string>()};
    at_last_value = shared_memory_of(::getpid());
    return made;
  }
};

namespace {

TEST_F(large_values_test, results_of_a_map) {
  const auto f = [](int) { return decoded_here{letters(large)}; };
  const auto all = parmap::map(f, std::views::iota(0, 4), {.workers = 1});
  EXPECT_EQ(all.value()[3].text.size(), large);
  EXPECT_LT(at_last_value, large + little);
}

}  // namespace
