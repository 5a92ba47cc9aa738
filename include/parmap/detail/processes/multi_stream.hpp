// SPDX-License-Identifier: MIT
// multi_stream: the caller's end of a stream on the engine multi.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/stream_layout.hpp>
#include <parmap/detail/processes/streamed_tasks.hpp>
#include <parmap/detail/processes/supervisor_client.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/streams/element_feed.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/detail/streams/reader_pace.hpp>
#include <parmap/detail/streams/shared_elements.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/give_back.hpp>
#include <parmap/detail/system/worker_assignment.hpp>
#include <parmap/encoding.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/outcome.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Call inside a catch block: the failure of a task whose value cannot be read.
[[nodiscard]] PARMAP_API failure not_decoded(std::uint64_t task, unsigned attempts);
// The failure of a task whose value was written over on its way.
[[nodiscard]] PARMAP_API failure bytes_written_over(std::uint64_t task, unsigned attempts);

// The supervisor has ended, as it had no memory.
struct supervisor_without_memory final : std::bad_alloc {};

// What is different if the tasks of a stream are those of a pool.
struct pool_rules {
  const task_orders* orders{};
  std::uint64_t most_tasks{};  // that a worker process may run; 0: any number
};

// What does not depend on the result type: memory, the process of the supervisor, and its end.
class stream_processes {
 public:
  // `size`: none if the number of tasks is unknown. `annex`: for what is sent to the workers; null if nothing is.
  // `measures`: take the time of each task. Throws what map throws before any task begins.
  PARMAP_API stream_processes(const process_tasks& tasks, const options& chosen, std::optional<std::uint64_t> size,
                              stream_annex* annex, bool measures, const pool_rules& pool = {});
  // Kills the workers and what their tasks have started, and waits until all have ended.
  PARMAP_API ~stream_processes();
  stream_processes(const stream_processes&) = delete;
  stream_processes& operator=(const stream_processes&) = delete;

  PARMAP_API bool allow(std::uint64_t limit);
  PARMAP_API void end_at(std::uint64_t tasks);
  PARMAP_API void halt() noexcept;
  // Kills the workers and what their tasks have started, and waits until all have ended. Afterwards find() must not be
  // called.
  PARMAP_API void close() noexcept;
  [[nodiscard]] PARMAP_API unsigned workers() const noexcept;

  struct found {
    arrival how;
    ring_reader* ring{};  // outcome: of worker `worker`, it has one; null: `why` is the outcome
    unsigned worker{};
    failure why{};
    ticks spent{};  // in its last attempt; 0: unknown
  };
  // Looks for an outcome in the ring of each worker in turn, and waits for one, at most for `patience`. Throws what
  // ends the stream, and std::bad_alloc if there is no memory for a failure, which the next call finds again.
  [[nodiscard]] PARMAP_API found find(std::chrono::nanoseconds patience);
  // Call when values have been taken that took much memory: a worker may wait for it.
  PARMAP_API void wake_workers() noexcept;
  // Wakes workers that wait for a task: what they keep for what was taken can go back to the system.
  PARMAP_API void ring() noexcept;
  // Call when what task_orders says has changed.
  PARMAP_API void wake_supervisor() noexcept;
  // The task that worker w runs, as its number in the round of the stream; none if it runs none.
  [[nodiscard]] PARMAP_API std::optional<std::uint64_t> runs(unsigned w) const noexcept;

 private:
  class run;
  std::unique_ptr<run> run_;
};

// Runs a worker of a stream that is a separate program, see language_runtime.hpp. `memory` is the descriptor of the
// ledger's memory; `annex` is as that of the caller. at_go(distance) is called just before the first task: an address
// in the caller's memory of the rings and the annex, and this distance, is that here. Throws std::system_error if the
// memory cannot be mapped.
[[noreturn]] void serve_stream_as_program(const process_tasks& tasks, const worker_assignment& mine, int memory,
                                          stream_annex& annex, const std::function<void(std::ptrdiff_t)>& at_go);

// The value that a worker has encoded. Throws what its codec throws, and bad_encoding.
template <class T>
outcome<T> decode_outcome(byte_reader bytes) {
  if constexpr (std::is_void_v<T>) {
    bytes.expect_end();
    return {};
  } else {
    decoder in(bytes);
    outcome<T> value(in.get<T>());
    bytes.expect_end();
    return value;
  }
}

// Takes the outcomes of a stream, ring by ring, and turns their bytes into values.
class outcome_taker {
 public:
  explicit outcome_taker(stream_processes& from) noexcept : processes_(from) {}

  // Takes an outcome, or waits for one, at most for `patience`. read(bytes) returns the value as an outcome<T>; what it
  // throws makes the task fail. Throws what ends the stream.
  template <class T, class Read>
  arrival next(std::optional<ended_task<T>>& to, std::chrono::nanoseconds patience, const Read& read) {
    // A process that was forked from the caller takes nothing: find() says so.
    if (ring_ == nullptr || left_ == 0 || generation_ != fork_generation() || !ring_->look()) {
      stream_processes::found found = processes_.find(patience);
      if (found.how != arrival::outcome) return found.how;
      ring_ = found.ring;
      if (ring_ == nullptr) {
        const std::uint64_t index = found.why.index;
        const unsigned attempts = found.why.attempts;
        to.emplace(index, std::move(found.why), attempts, found.worker, found.spent);
        return arrival::outcome;
      }
      worker_ = found.worker;
      left_ = most_in_turn;
    }
    --left_;
    take(to, read);
    return arrival::outcome;
  }
  // Takes some outcomes from where the last one was. False if there is none.
  template <class T>
    requires is_short<T>
  bool next_some(std::vector<ended_task<T>>& to, std::chrono::nanoseconds patience) {
    to.clear();
    if (ring_ == nullptr || left_ == 0 || generation_ != fork_generation()) return false;
    to.reserve(most_at_once);
    pace_.before_look(patience);
    const unsigned count = ring_->take_while(std::min(left_, most_at_once), [&](const ring_cell& it) {
      if (it.length() != sizeof(T)) return false;
      std::array<std::byte, sizeof(T)> bytes;
      std::memcpy(bytes.data(), it.bytes.data(), sizeof(T));
      to.emplace_back(it.task, std::bit_cast<T>(bytes), it.attempts(), worker_, it.extent);
      return true;
    });
    left_ -= count;
    came_ += count;
    pace_.found(count);
    return count > 0;
  }
  // Of the values that have been taken; 0: there was none.
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept {
    return came_ == 0 ? 0 : sizeof(ring_cell) + bytes_ / came_;
  }

 private:
  static constexpr unsigned most_in_turn = 256;  // outcomes of a worker, before those of another one
  static constexpr unsigned most_at_once = 64;
  static constexpr std::uint64_t much = 256 << 10;

  // The oldest outcome of ring_.
  template <class T, class Read>
  void take(std::optional<ended_task<T>>& to, const Read& read) {
    const ring_cell& it = ring_->cell();
    const std::uint64_t size = it.is_in_heap() ? it.size() : 0;
    ++came_;
    if constexpr (is_short<T>)
      if (it.length() == sizeof(T)) {
        std::array<std::byte, sizeof(T)> bytes;
        std::memcpy(bytes.data(), it.bytes.data(), sizeof(T));
        to.emplace(it.task, std::bit_cast<T>(bytes), it.attempts(), worker_, it.extent);
        ring_->take();
        return;
      }
    to.emplace(it.task, value_of<T>(it, read), it.attempts(), worker_, it.extent);
    ring_->take();
    bytes_ += size;
    untold_ += size;
    if (size >= much_memory) processes_.ring();
    if (untold_ < much) return;
    untold_ = 0;
    processes_.wake_workers();
  }
  template <class T, class Read>
  outcome<T> value_of(const ring_cell& it, const Read& read) const {
    const auto bytes = ring_->bytes();
    if (!bytes) return bytes_written_over(it.task, it.attempts());
    try {
      return read(*bytes);
    } catch (...) {
      return not_decoded(it.task, it.attempts());
    }
  }

  stream_processes& processes_;
  std::uint64_t generation_{fork_generation()};
  ring_reader* ring_{};  // where the last outcome was
  unsigned worker_{};    // whose ring that is
  unsigned left_{};      // how many more may be taken there
  std::uint64_t came_{};
  std::uint64_t bytes_{};
  reader_pace pace_;
  std::uint64_t untold_{};  // bytes that have been taken since workers were woken for that
};

// The memory of the elements that a stream sends to its workers.
class elements_annex final : public stream_annex {
 public:
  explicit elements_annex(element_feed* feed) noexcept : feed_(feed) {}

  [[nodiscard]] std::size_t table_bytes() const noexcept override { return shared_elements::table_bytes; }
  void take(std::byte* memory, std::size_t begin, std::size_t end) override {
    feed_->share(elements_.emplace(memory, begin, end));
  }

 private:
  element_feed* feed_;
  std::optional<shared_elements> elements_;
};

template <class Tasks>
class multi_stream final : public outcome_source<typename Tasks::result> {
  using value = typename Tasks::result;

 public:
  multi_stream(const Tasks& tasks, const options& chosen, std::optional<std::uint64_t> size, element_feed* feed)
      : tasks_(tasks),
        elements_(feed),
        processes_(tasks_, chosen, size, feed != nullptr ? &elements_ : nullptr, chosen.times) {}

  bool allow(std::uint64_t limit) override { return processes_.allow(limit); }
  void end_at(std::uint64_t tasks) override { processes_.end_at(tasks); }
  void halt() noexcept override { processes_.halt(); }
  [[nodiscard]] unsigned workers() const noexcept override { return processes_.workers(); }
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override { return taker_.mean_bytes(); }
  arrival next(std::optional<ended_task<value>>& to, std::chrono::nanoseconds patience) override {
    return taker_.next(to, patience, decode_outcome<value>);
  }
  arrival next_or_some(outcomes_at_hand<value>& some, std::optional<ended_task<value>>& to,
                       std::chrono::nanoseconds patience) override {
    if constexpr (is_short<value>)
      if (taker_.next_some(short_, patience)) {
        some = outcomes_at_hand<value>(short_);
        return arrival::outcome;
      }
    return next(to, patience);
  }

 private:
  streamed_tasks_of<Tasks> tasks_;
  elements_annex elements_;
  stream_processes processes_;
  outcome_taker taker_{processes_};
  std::vector<ended_task<value>> short_;  // outcomes that the stream has at hand
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/processes/multi_stream.inl.hpp>
#endif
