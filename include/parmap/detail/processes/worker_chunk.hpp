// SPDX-License-Identifier: MIT
// worker_chunk: the tasks of a worker's claim, and the steps of the protocol around each of them.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/arena_writer.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/detail/system/standard_streams.hpp>

#include <cstddef>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

class attempt_log;
class stream_outlet;

// Ends the worker, as the map was halted; recovery hands back its claim.
[[noreturn]] PARMAP_API void leave_halted_map();

// The tasks of one claim, in order. For each task: begin_task, write its value into its slot, end_task. An exception of
// a task leaves the loop between the two calls; the worker handles it and then continues the loop.
class worker_chunk {
 public:
  struct place {
    std::byte* slots;     // of all tasks of the map
    arena_writer arena;   // of this worker
    worker_words& words;  // of this worker
    const shared_word<"halt">& halt;
    std::uint64_t from;  // the first task of the round
    bool timed;
    bool memory_limited;
    const task_output& output;
    stream_outlet* outlet{};  // of a stream: where outcomes go
    attempt_log* log{};       // of an observed map: who is told of values
  };

  explicit worker_chunk(const place& where) noexcept
      : place_(where),
        has_to_prepare_(where.outlet != nullptr || where.log != nullptr || where.memory_limited),
        usual_attempt_(where.log != nullptr ? 0 : 1) {}
  worker_chunk(const worker_chunk&) = delete;
  worker_chunk& operator=(const worker_chunk&) = delete;

  // The first task that is not finished, and the end of the claim, as indices in the map.
  [[nodiscard]] std::uint64_t next() const noexcept { return place_.from + at_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return place_.from + end_; }
  [[nodiscard]] void* slots() const noexcept { return place_.slots; }
  [[nodiscard]] const arena_writer& arena() const noexcept { return place_.arena; }
  [[nodiscard]] stream_outlet& outlet() const noexcept { return *place_.outlet; }

  // Records that the next task runs, before any of it runs. With a context, also sets its index and attempt there.
  void begin_task() {
    if (has_to_prepare_) prepare();
    if (place_.halt.get() != 0) leave_halted_map();
    place_.words.begin(at_, attempt_, place_.timed);
  }
  void begin_task(context& self) {
    self.begin(next(), attempt_);
    begin_task();
  }
  // Call when the task's slot is written.
  void end_task() noexcept {
    step("slot", moment::after);
    if (attempt_ != usual_attempt_) note_value();
    place_.words.end(at_++);
    place_.output.flush();
  }

  // ---- of a pool, by the tasks, between two of them

  [[nodiscard]] worker_words& words() const noexcept { return place_.words; }
  // Each attempt from now on may take so many ns; 0: any time.
  void allow(std::uint64_t ns) noexcept;

  // ---- by the worker, between two runs of the loop

  void open(interval claimed) noexcept {
    at_ = claimed.b;
    end_ = claimed.e;
    attempt_ = unpack_position(place_.words.cur.get()).attempts + 1;
  }
  [[nodiscard]] bool empty() const noexcept { return at_ >= end_; }
  [[nodiscard]] unsigned attempt() const noexcept { return attempt_; }
  // The attempt has failed, and another one is left.
  void try_again() noexcept {
    ++attempt_;
    place_.output.flush();
  }
  // As try_again, but the worker leaves.
  void give_back() noexcept { place_.words.give_back(at_, attempt_); }
  // Call when the task's failure is published.
  void end_failed() noexcept {
    place_.words.end(at_++);
    attempt_ = 1;
    place_.output.flush();
  }

 private:
  // Both apart, so that the loop over the tasks of a usual map stays short, and users' programs do not compile them.
  PARMAP_API void prepare() noexcept;
  PARMAP_API void note_value() noexcept;

  place place_;
  bool has_to_prepare_;
  unsigned usual_attempt_;  // after which there is nothing to note; 0: none
  round_index at_{};
  round_index end_{};
  unsigned attempt_{1};
};

}  // namespace parmap::inline PARMAP_ABI::detail
