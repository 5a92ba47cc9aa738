// SPDX-License-Identifier: MIT
// pool_outcomes: the outcomes of a stream on a pool, as they come; whatever its tasks are.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/pool_run.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/outcome.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// A class that derives from it sends the tasks, and calls end() in its destructor.
template <class T>
class pool_outcomes : public outcome_source<T>, protected pool_run {
 public:
  pool_outcomes(const pool_outcomes&) = delete;
  pool_outcomes& operator=(const pool_outcomes&) = delete;
  ~pool_outcomes() override = default;

  bool allow(std::uint64_t limit) override {
    if (is_halted()) return false;
    dispatcher().allow(job(), limit);
    send_up_to(limit);
    return true;
  }
  void end_at(std::uint64_t) override { dispatcher().close(job()); }
  void halt() noexcept override {
    try {
      pool_run::halt(stop_requested_text);
    } catch (...) {  // NOLINT(bugprone-empty-catch): there is no memory for a list; it goes on
    }
  }
  [[nodiscard]] unsigned workers() const noexcept override { return dispatcher().workers(); }
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override {
    return came_ == 0 ? 0 : sizeof(ring_cell) + bytes_ / came_;
  }

  arrival next(std::optional<ended_task<T>>& to, std::chrono::nanoseconds patience) override {
    const auto begun = std::chrono::steady_clock::now();
    for (std::chrono::nanoseconds left = patience; !take_ready(to);
         left = patience - (std::chrono::steady_clock::now() - begun)) {
      if (is_over_) return arrival::end;
      if (const arrival how = collect(std::max(left, left.zero())); how == arrival::end) is_over_ = true;
      else if (how == arrival::nothing_yet && std::chrono::steady_clock::now() - begun >= patience)
        return take_ready(to) ? arrival::outcome : arrival::nothing_yet;
    }
    return arrival::outcome;
  }

 protected:
  // No task may begin yet.
  pool_outcomes(pool_dispatcher& by, const options& chosen, std::optional<std::chrono::nanoseconds> limit,
                std::shared_ptr<kept_function> f)
      : pool_run(by, chosen, limit, nullptr, std::move(f)) {
    dispatcher().allow(job(), 0);
  }

  // Tasks below `limit` may begin: those that have not been sent have to be.
  virtual void send_up_to(std::uint64_t /*limit*/) {}
  // The stream is halted, and these tasks have not been sent: they are stopped.
  void stop_unsent(std::uint64_t task, std::uint64_t count) { stopped_.push_back({task, count, 0, why_halted()}); }
  // What it throws makes the task fail.
  [[nodiscard]] virtual outcome<T> decode(byte_reader bytes) = 0;

 private:
  // Tasks that have been stopped together.
  struct stopped {
    std::uint64_t task;
    std::uint64_t count;
    unsigned attempts;
    const char* why;
  };

  bool take_ready(std::optional<ended_task<T>>& to) {
    if (!ready_.empty()) {
      to.emplace(std::move(ready_.front()));
      ready_.pop_front();
      return true;
    }
    if (stopped_.empty()) return false;
    stopped& first = stopped_.front();
    to.emplace(first.task, failure{first.task, failure_kind::stopped, first.why, first.attempts}, first.attempts);
    ++first.task;
    first.attempts = 0;
    if (--first.count == 0) stopped_.pop_front();
    return true;
  }

  void take_value(const pool_outcome& it, byte_reader bytes) override {
    ++came_;
    bytes_ += bytes.left() > ring_cell::longest_here ? bytes.left() : 0;
    ready_.emplace_back(it.task, decode(bytes), it.attempt, it.worker, it.spent);
  }
  void take_failure(failure why, const pool_outcome& it) override {
    ready_.emplace_back(it.task, std::move(why), it.attempt, it.worker, it.spent);
  }
  void take_stopped(std::uint64_t task, std::uint64_t count, unsigned attempts, const char* why) override {
    stopped_.push_back({task, count, attempts, why});
  }

  std::deque<ended_task<T>> ready_;
  std::deque<stopped> stopped_;
  std::uint64_t came_{};
  std::uint64_t bytes_{};
  bool is_over_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
