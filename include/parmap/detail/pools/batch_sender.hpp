// SPDX-License-Identifier: MIT
// batch_sender: cuts the tasks of all jobs of a pool into batches, and sends as many as keep the workers busy.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/pools/batch_table.hpp>
#include <parmap/detail/pools/batches_in_flight.hpp>
#include <parmap/detail/pools/pool_job.hpp>
#include <parmap/detail/pools/pool_memory.hpp>
#include <parmap/detail/pools/unsent_tasks.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// In the caller, under the dispatcher's lock.
class batch_sender {
 public:
  using jobs = std::vector<std::shared_ptr<pool_job>>;

  static constexpr std::uint64_t most_in_flight = 1 << 15;
  // Of the stream, so that all of them can be sent.
  static constexpr std::uint64_t window = 2 * most_in_flight - ring_pace().untold;

  // `all`: the jobs that are open.
  batch_sender(pool_memory& memory, stream_processes& processes, const jobs& all) noexcept
      : sent_(memory),
        processes_(processes),
        jobs_(all) {}
  batch_sender(const batch_sender&) = delete;
  batch_sender& operator=(const batch_sender&) = delete;

  [[nodiscard]] batches_in_flight& sent() noexcept { return sent_; }

  // Sends as many tasks as keep the workers busy until the next time; not more, so that the tasks of another job do not
  // wait long. Of a function that is not known yet, single tasks and few. Of one of which few tasks have ended not many
  // more are sent than those: the next ones may take long, or fail, and what is tried again, or is another job's, waits
  // behind them. If it throws, the rest is sent the next time.
  void send_some(pool_job& it) {
    while (it.postponed_.is_due()) {
      it.unsent_.add(it.postponed_.first().what);
      static_cast<void>(it.postponed_.take_first());
    }
    if (it.halted_ || it.unsent_.empty()) return;
    const std::uint64_t target = most_in_flight_of(it);
    const std::uint64_t most_batches = it.on_.most_at_once != 0 ? it.on_.most_at_once : most_batches_of_job;
    if (it.in_flight_ >= target || (it.in_flight_ > target / 2 && it.on_.most_at_once == 0)) return;
    const allowed_at_end noted(*this);
    while (!it.unsent_.empty() && it.in_flight_ < target && sent_.tasks() < most_in_flight &&
           it.batches_ < most_batches && sent_.has_room()) {
      const task_piece& from = it.unsent_.front();
      if (from.attempt == 1 && from.task >= it.limit_) break;
      const std::uint64_t open = from.attempt == 1 ? it.limit_ - from.task : 1;
      send(it, from,
           std::min({batch_size(it, from), from.count, open, target - it.in_flight_, most_in_flight - sent_.tasks(),
                     max_round - sent_.next() % max_round}));
    }
  }
  // The same, of all jobs that have tasks to send.
  void send_further() {
    for (const auto& each : jobs_)
      if (!each->unsent_.empty()) send_some(*each);
  }

  // Tasks of a batch have ended, which took so many ticks; 0: unknown.
  void end_some(batches_in_flight::place at, std::uint64_t tasks, ticks took) {
    if (tasks == 0) return;
    const std::shared_ptr<pool_job> of = at->second.job;
    if (took > 0) {
      double& mean = at->second.function->mean_ticks;
      const auto count = static_cast<double>(tasks);
      const double latest = static_cast<double>(took) / count;
      mean = mean == 0 ? latest : mean + (latest - mean) * std::min(1.0, count / 8);
    }
    at->second.function->ended += tasks;
    of->in_flight_ -= tasks;
    if (sent_.end_some(at, tasks)) --of->batches_;
  }

 private:
  // Of one job while others have tasks to send.
  static constexpr std::uint64_t most_beside_others = most_in_flight / 4;
  static constexpr std::uint64_t most_batches_of_job = batch_table::places / 8;

  // Workers may begin what has been sent, also if an exception ends the sending.
  class allowed_at_end {
   public:
    explicit allowed_at_end(batch_sender& of) noexcept : of_(of), begun_(of.sent_.next()) {}
    allowed_at_end(const allowed_at_end&) = delete;
    allowed_at_end& operator=(const allowed_at_end&) = delete;
    ~allowed_at_end() {
      if (of_.sent_.next() != begun_) of_.processes_.allow(of_.sent_.next());
    }

   private:
    batch_sender& of_;
    std::uint64_t begun_;
  };

  [[nodiscard]] static kept_function& function_of(const pool_job& it, const task_piece& of) noexcept {
    return of.function ? *of.function : *it.function_;
  }
  // Tasks of the piece that is the next one of its job.
  void send(pool_job& it, const task_piece& from, std::uint64_t count) {
    sent_batch made{.number = 0,
                    .count = count,
                    .left = count,
                    .task = from.task,
                    .attempt = from.attempt,
                    .job = it.shared_from_this(),
                    .function = from.function ? from.function : it.function_,
                    .inputs = from.inputs};
    if (sent_.add(std::move(made), it.on_.seed, it.on_.timeout)) processes_.wake_supervisor();
    it.in_flight_ += count;
    ++it.batches_;
    it.unsent_.drop_front(count);
  }
  [[nodiscard]] std::uint64_t most_in_flight_of(const pool_job& it) const noexcept {
    const std::uint64_t n = processes_.workers();
    const kept_function& next = function_of(it, it.unsent_.front());
    const double mean = next.mean_ticks;
    const std::uint64_t known = 8 * n + next.ended;
    const double enough = mean > 0 ? static_cast<double>(to_ticks(std::chrono::milliseconds(20))) / mean : 0;
    const std::uint64_t most =
        mean > 0 ? std::max(4 * n, n * static_cast<std::uint64_t>(std::min(enough, 1e6))) : 8 * n;
    const bool alone =
        std::ranges::none_of(jobs_, [&it](const auto& each) { return each.get() != &it && !each->unsent_.empty(); });
    return std::min({most, known, alone ? most_in_flight : most_beside_others});
  }
  // As in chunk_pacer.
  [[nodiscard]] std::uint64_t batch_size(const pool_job& it, const task_piece& of) const noexcept {
    const double mean = function_of(it, of).mean_ticks;
    if (mean <= 0) return 1;
    const auto in = [mean](std::chrono::microseconds span) {
      return static_cast<std::uint64_t>(static_cast<double>(to_ticks(span)) / mean);
    };
    const std::uint64_t fair = (of.count - 1) / processes_.workers() + 1;
    const std::uint64_t even = std::min(in(std::chrono::microseconds(50)), (fair + 1) / 2);
    return std::max({even, std::min(fair, in(std::chrono::microseconds(2))), std::uint64_t{1}});
  }

  batches_in_flight sent_;
  stream_processes& processes_;
  const jobs& jobs_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
