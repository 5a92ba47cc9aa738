// SPDX-License-Identifier: MIT
// One random map of the soak test: what it runs, what goes wrong in it, and the outcome that each task must have.
#pragma once

#include "soak_faults.hpp"

#include <chrono>
#include <cstdint>
#include <ostream>
#include <random>
#include <span>

namespace soak {

using random = std::mt19937_64;

inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 32)) * 0x9e37'79b9'7f4a'7c15U;
  x = (x ^ (x >> 29)) * 0xbf58'476d'1ce4'e5b9U;
  return x ^ (x >> 32);
}
// Uniform enough in [b, e].
inline std::uint64_t between(random& draw, std::uint64_t b, std::uint64_t e) { return b + draw() % (e - b + 1); }
inline bool chance(random& draw, unsigned percent) { return draw() % 100 < percent; }

enum class engine { serial, threads, multi };
enum class result { plain, encoded, nothing, big_plain, big_encoded };

struct plan {
  static constexpr std::chrono::seconds limit{3};

  std::uint64_t seed{};
  engine runs{};
  result makes{};
  std::uint64_t n{};
  std::uint64_t most_work{};  // turns of a task's loop
  unsigned workers{};
  unsigned retries{};
  std::uint64_t max_failures{};  // 0: no limit
  std::uint64_t fault_odds{};    // one attempt in so many commits a fault; 0: none
  std::uint64_t late_tasks{};    // with a time limit: so many tasks at the front that hang
  bool timed{};
  bool nested{};
  bool stopped_before{};
  std::chrono::microseconds stop_after{};  // 0: never
  std::chrono::microseconds kill_pause{};  // between two kills of a worker; 0: none
  unsigned reporter_throws_at{};           // number of that call; 0: never
  unsigned reporter_calls{};               // nonzero: the reporter is a callable
  bool streamed{};                         // by a stream; the next four are for that
  bool ordered{};
  bool lazy{};                 // its axis is read as it goes
  std::uint64_t window{};      // 0: as the library chooses
  std::uint64_t left_after{};  // outcomes, after which the stream is left; 0: it is not

  explicit plan(random& draw) : seed(draw()) {
    const auto which = between(draw, 0, 99);
    runs = which < 6 ? engine::serial : which < 20 ? engine::threads : engine::multi;
    makes = static_cast<result>(between(draw, 0, 4));
    const bool big = makes >= result::big_plain;
    n = between(draw, 0, std::uint64_t{1} << between(draw, 0, big ? 7 : 14));
    most_work = between(draw, 1, 4000);
    nested = n <= 100 && chance(draw, 20);
    if (chance(draw, 60)) fault_odds = 1 + n / between(draw, 1, 20);
    if (chance(draw, 40)) retries = static_cast<unsigned>(between(draw, 1, 3));
    if (chance(draw, 10)) stop_after = std::chrono::microseconds(between(draw, 1, 20'000));
    stopped_before = chance(draw, 1);
    reporter_calls = chance(draw, 20) ? 1 : 0;
    if (chance(draw, 5)) reporter_throws_at = static_cast<unsigned>(between(draw, 1, 2));
    streamed = chance(draw, 35);
    if (streamed) {
      ordered = chance(draw, 40);
      if (chance(draw, 50)) window = between(draw, 1, 50);
      lazy = stop_after.count() == 0 && !stopped_before && chance(draw, 30);
      if (chance(draw, 15)) left_after = between(draw, 1, 1 + n / 2);
    }
    if (runs == engine::serial) return;

    if (chance(draw, 80)) workers = static_cast<unsigned>(between(draw, 1, 24));
    if (!lazy && chance(draw, 15)) max_failures = between(draw, 1, 20);
    if (runs == engine::threads) return;

    if (chance(draw, 25)) kill_pause = std::chrono::microseconds(between(draw, 300, 5000));
    timed = chance(draw, 10);
    if (timed && chance(draw, 15)) {
      late_tasks = between(draw, 0, 3);
      retries = 0;
    }
  }

  // The fault that attempt `a` of task i commits, or null.
  [[nodiscard]] const fault* fault_of(std::uint64_t i, unsigned a) const {
    if (i < late_tasks) return &late_faults[mix(seed + i) % std::size(late_faults)];
    const std::uint64_t dice = mix(seed ^ mix(i * 64 + a));
    if (fault_odds == 0 || dice % fault_odds != 0) return nullptr;
    const auto all = runs == engine::multi ? faults : exceptions;
    return &all[(dice >> 40) % all.size()];
  }
  // The last attempt of task i if only its own faults disturb it.
  [[nodiscard]] unsigned last_attempt(std::uint64_t i) const {
    unsigned a = 1;
    while (a <= retries && fault_of(i, a) != nullptr) ++a;
    return a;
  }
  [[nodiscard]] bool may_stop() const { return stopped_before || stop_after.count() > 0 || max_failures > 0; }

  friend std::ostream& operator<<(std::ostream& out, const plan& it) {
    constexpr const char* engines[] = {"serial", "threads", "multi"};
    constexpr const char* results[] = {"plain", "encoded", "no", "big plain", "big encoded"};
    return out << it.n << " tasks on " << engines[static_cast<int>(it.runs)] << " with "
               << results[static_cast<int>(it.makes)] << " results, seed " << it.seed << ", workers " << it.workers
               << ", retries " << it.retries << ", max_failures " << it.max_failures << ", one fault in "
               << it.fault_odds << ", " << (it.timed ? "" : "not ") << "timed, late " << it.late_tasks
               << (it.nested ? ", nested" : "") << ", stop " << (it.stopped_before ? "before" : "after ")
               << it.stop_after.count() << " us, a kill each " << it.kill_pause.count() << " us, reporter "
               << it.reporter_calls << " throws at call " << it.reporter_throws_at << (it.streamed ? ", streamed" : "")
               << (it.ordered ? ", ordered" : "") << (it.lazy ? ", lazy" : "") << ", window " << it.window
               << ", left after " << it.left_after;
  }
};

}  // namespace soak
