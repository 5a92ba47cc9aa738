// SPDX-License-Identifier: MIT
// result_collector: decodes results in the caller, partly while the workers still run, so that less is left for the
// end.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/results/bit_set.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/failure.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// One object per map, made before the first fork. Call finish() when no worker is alive any more.
class result_collector {
 public:
  result_collector(const encoded_slot* slots, const worker_arenas& arenas, std::uint64_t n, value_reader& reader)
      : slots_(slots),
        arenas_(arenas),
        reader_(reader),
        has_value_(n),
        size_(n),
        back_(n) {}
  result_collector(const result_collector&) = delete;
  result_collector& operator=(const result_collector&) = delete;
  ~result_collector() {
    has_value_.for_each_set(0, size_, [this](std::uint64_t i) { reader_.places().discard(i); });
  }

  // Call while workers run. All tasks outside [b, e) have ended, with or without a value. Reads for about 100 µs;
  // returns whether there is more to read.
  [[nodiscard]] bool read_early(std::uint64_t b, std::uint64_t e) {
    const ticks until = now_ticks() + to_ticks(std::chrono::microseconds(100));
    while (!postponed_) {
      if (front_ < std::min(b, back_)) look_at(front_++);
      else if (back_ > std::max(e, front_)) look_at(--back_);
      else return false;
      if (now_ticks() > until) return true;
    }
    return false;
  }

  // Reads the values of all tasks that are not among the failures, and adds a failure for each value that cannot be
  // read. From then on the values belong to the owner of their places.
  [[nodiscard]] failure_list finish(failure_runs failures) {
    const failure_list failed(failures);
    // A failed task can have a value here: its worker died after writing the slot, before it recorded that the task
    // ended.
    for (const auto& [why, tasks] : failures)
      has_value_.for_each_set(why.index, why.index + tasks, [this](std::uint64_t i) {
        has_value_.clear(i);
        reader_.places().discard(i);
      });
    failed.for_each_gap(size_, [&](std::uint64_t b, std::uint64_t e) {
      has_value_.for_each_clear(b, e, [&](std::uint64_t i) {
        unsigned attempts = 1;
        try {
          const byte_reader bytes = arenas_.read_encoded(slots_[i], i);
          attempts = worker_arenas::attempts_of(slots_[i], bytes);
          read(i, bytes);
        } catch (...) {
          thrown what = describe_current_exception();
          if (what.kind == failure_kind::threw) what.kind = failure_kind::unencodable;
          if (!what.verbatim) what.message.insert(0, "decoding its result: ");
          failures.emplace_back(failure{i, what.kind, std::move(what.message), attempts, nullptr}, 1);
        }
      });
    });
    failure_list all(std::move(failures));
    size_ = 0;  // from here on this object does not own the values
    return all;
  }

 private:
  // finish() reads again what cannot be read now, and reports the error.
  void look_at(std::uint64_t i) {
    if (slots_[i].is_blank()) return;  // the task failed
    try {
      const byte_reader bytes = arenas_.read_encoded(slots_[i], i);
      postponed_ = !reader_.may_read_early(bytes);
      if (!postponed_) read(i, bytes);
    } catch (...) {  // NOLINT(bugprone-empty-catch): see above
    }
  }
  void read(std::uint64_t i, const byte_reader& bytes) {
    reader_.read(i, bytes);
    has_value_.set(i);
    worker_arenas::drop(bytes);
  }

  const encoded_slot* slots_;
  const worker_arenas& arenas_;
  value_reader& reader_;
  bit_set has_value_;
  std::uint64_t size_;
  std::uint64_t front_{};  // [0, front_) and [back_, n) have been looked at early
  std::uint64_t back_;
  bool postponed_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
