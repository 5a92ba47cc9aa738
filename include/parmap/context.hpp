// SPDX-License-Identifier: MIT
// context: a task's index, attempt, worker, stop token and random numbers.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/philox.hpp>

#include <cstdint>
#include <optional>
#include <stop_token>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// What a task may ask about itself. map passes it to an f whose first parameter is `parmap::context&`.
///
///     parmap::map([](parmap::context& self, int x) { return x + uniform(self.rng()); }, xs);
///
/// It belongs to one running task: do not keep it beyond the task, and do not use it from two threads at once. All
/// members are O(1).
class context {
 public:
  /// For engines, and for tests of an f: `context self(seed, 0); self.begin(index, 1);` has the rng() of task `index`
  /// in a map with this seed.
  context(std::uint64_t seed, unsigned worker, std::stop_token stop = {})
      : seed_(seed),
        worker_(worker),
        stop_(std::move(stop)) {}
  context(const context&) = delete;
  context& operator=(const context&) = delete;
  ~context() = default;

  /// The index of the task in input order, from 0: the same as in results and in failure::index.
  [[nodiscard]] std::uint64_t index() const noexcept { return index_; }
  /// The seed of the map: options::seed, or the fresh seed that map drew.
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// 1 for the first attempt; at most 1 + options::retries.
  [[nodiscard]] unsigned attempt() const noexcept { return attempt_; }
  /// The number of the worker, below the number of workers. Tasks that run at the same time have different numbers.
  [[nodiscard]] unsigned worker() const noexcept { return worker_; }
  /// The stop token of the task. Under threads a stop is requested when the task runs past options::timeout, and when
  /// options::stop is requested. Under serial and async a stop is requested only when options::stop is requested. Under
  /// multi a stop is never requested: multi kills a late task.
  ///
  ///     while (!self.stop_token().stop_requested() && error > 1e-9) error = step();
  [[nodiscard]] const std::stop_token& stop_token() const noexcept { return stop_; }

  /// The task's own random number generator, Philox4x64-10 with key (seed, index). Its numbers do not depend on the
  /// engine, the number of workers or the attempt. Later calls in one task continue the stream.
  ///
  ///     double u = std::uniform_real_distribution<>{}(self.rng());
  [[nodiscard]] philox4x64& rng() {
    if (!rng_) rng_.emplace(std::array<std::uint64_t, 2>{seed_, stream_});
    return *rng_;
  }

  /// For engines: sets the task that is about to run.
  void begin(std::uint64_t index, unsigned attempt) noexcept {
    index_ = stream_ = position_ = index;
    attempt_ = attempt;
    rng_.reset();
  }
  /// For engines: the index that was given to begin().
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  /// For engines: sets the index that the task sees, and the number of its random stream, after begin().
  void identify(std::uint64_t index, std::uint64_t stream) noexcept {
    index_ = index;
    stream_ = stream;
  }
  /// For engines: sets the seed of the map whose task is about to run.
  void set_seed(std::uint64_t seed) noexcept { seed_ = seed; }
  /// For engines: sets the stop token of the task that is about to run.
  void set_stop_token(std::stop_token stop) noexcept { stop_ = std::move(stop); }

 private:
  std::uint64_t seed_;
  std::uint64_t index_{};
  std::uint64_t stream_{};    // of its random numbers: index, unless a store has given it another
  std::uint64_t position_{};  // among the tasks that the engine runs: index, unless a store has the outcomes of others
  unsigned attempt_{};
  unsigned worker_;
  std::stop_token stop_;
  std::optional<philox4x64> rng_;
};

}  // namespace parmap::inline PARMAP_ABI
