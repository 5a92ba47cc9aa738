// SPDX-License-Identifier: MIT
// What the machine charges for the least that any parallel call has to do.
#pragma once

#include <parmap/detail/clock.hpp>
#include <parmap/detail/entropy.hpp>
#include <parmap/detail/futex.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

namespace bench {

template <class T>
void keep(const T& value) {
  asm volatile("" : : "r"(&value) : "memory");
}

// Seconds for one of many.
template <class Act>
double seconds_each(const Act& act) {
  constexpr int many = 100'000;
  const auto begun = std::chrono::steady_clock::now();
  for (int k = 0; k < many; ++k) act();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count() / many;
}

// Seconds from the call that wakes a thread, asleep for a moment, until it has answered: the median of 200.
inline double seconds_to_wake() {
  using parmap::detail::futex_word;
  futex_word asked{0};
  futex_word answered{0};
  std::jthread sleeper([&](const std::stop_token& enough) {
    for (std::uint32_t seen = 0; !enough.stop_requested(); seen = asked) {
      while (asked == seen && !enough.stop_requested())
        parmap::detail::futex_wait(asked, seen, parmap::detail::no_limit);
      answered.store(asked);
    }
  });
  std::vector<double> all;
  for (std::uint32_t k = 1; k <= 200; ++k) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const auto begun = std::chrono::steady_clock::now();
    asked = k;
    parmap::detail::futex_wake(asked, 1);
    while (answered != k) parmap::detail::spin_pause();
    all.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
  }
  sleeper.request_stop();
  ++asked;
  parmap::detail::futex_wake(asked, 1);
  std::ranges::nth_element(all, all.begin() + 100);
  return all[100];
}

// Negative if there is none of that name.
inline double floor_of(std::string_view what) {
  if (what == "clock") return seconds_each([] { keep(parmap::detail::now_ticks()); });
  if (what == "seed") return seconds_each([] { keep(parmap::detail::fresh_seed()); });
  if (what == "locked") {
    std::atomic<int> word{0};
    return seconds_each([&word] { word.fetch_add(1); });
  }
  if (what == "allocation") return seconds_each([] { keep(*std::make_unique<double>(1)); });
  if (what == "wake") return seconds_to_wake();
  return -1;
}

}  // namespace bench
