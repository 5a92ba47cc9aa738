// SPDX-License-Identifier: MIT
// The caller's side of a map on processes: makes results of what the workers have left in shared memory. Encoded ones
// are read while the workers still run, so that reading, too, has all cores.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/detail/processes/slot_writer.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/results/bit_set.hpp>
#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/results/result_places.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/failure.hpp>
#include <parmap/results.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace parmap::detail {

// Whether a value may be read while workers run. Not where reading it may take long or do anything: to be specialised.
template <class T>
struct early_reading {
  static bool of(const byte_reader&) noexcept { return true; }
};

// Where the values go: a range of the caller's (range_places), or results of their own, for which in-slot types need
// nothing but the slots they are in.
struct slots_as_they_are {};
template <class T>
auto places_of_their_own([[maybe_unused]] std::uint64_t n) {
  if constexpr (std::is_void_v<T> || in_slot<T>) return slots_as_they_are();
  else return own_places<T>(n);
}

// An object for each map, made before the first fork; finish() when no worker is alive any more.

// In-slot types.
template <class T, class Places>
class result_collector {
 public:
  static constexpr bool reads_early = false;

  result_collector(shared_slots<T>& slots, const worker_arenas&, const shared_memory&, std::uint64_t,
                   const Places& places)
      : slots_(slots),
        places_(places) {}

  auto finish(failure_runs failures, std::uint64_t n, std::uint64_t seed) {
    if constexpr (std::same_as<Places, slots_as_they_are>) {
      if constexpr (std::is_void_v<T>) return results<void>(n, failure_list(std::move(failures)), seed);
      else return results<T>(slots_.take(), failure_list(std::move(failures)), seed);
    } else {
      failure_list failed(std::move(failures));
      failed.for_each_gap(n, [&](std::uint64_t b, std::uint64_t e) {
        for (std::uint64_t i = b; i < e; ++i) places_.put(i, [&]() -> T& { return slots_.data()[i]; });
      });
      return results<void>(n, std::move(failed), seed);
    }
  }

 private:
  shared_slots<T>& slots_;
  Places places_;
};

// Encoded types.
template <class T, class Places>
  requires(!in_slot<T>) && (!std::is_void_v<T>)
class result_collector<T, Places> {
 public:
  static constexpr bool reads_early = true;

  result_collector(const shared_slots<T>& slots, const worker_arenas& records, const shared_memory& memory,
                   std::uint64_t n, Places places)
      : slots_(slots.slots_in(memory)),
        records_(records),
        places_(std::move(places)),
        has_value_(n),
        size_(n),
        back_(n) {}
  result_collector(const result_collector&) = delete;
  result_collector& operator=(const result_collector&) = delete;
  ~result_collector() {
    has_value_.for_each_set(0, size_, [this](std::uint64_t i) { places_.discard(i); });
  }

  // While workers run, and all tasks but those of [b, e) have ended, with a value or without. Reads for some 100 us;
  // whether there is more to be read.
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

  auto finish(failure_runs failures, std::uint64_t n, std::uint64_t seed) {
    const failure_list failed(failures);
    // Of a worker that died when its task's slot was written, and nothing yet said so.
    for (const auto& [why, tasks] : failures)
      has_value_.for_each_set(why.index, why.index + tasks, [this](std::uint64_t i) {
        has_value_.clear(i);
        places_.discard(i);
      });
    failed.for_each_gap(n, [&](std::uint64_t b, std::uint64_t e) {
      has_value_.for_each_clear(b, e, [&](std::uint64_t i) {
        try {
          read(i, records_.read_encoded(slots_[i], i));
        } catch (...) {
          thrown what = describe_current_exception();
          if (what.kind == failure_kind::threw) what.kind = failure_kind::unencodable;
          if (!what.verbatim) what.message.insert(0, "decoding its result: ");
          failures.emplace_back(failure{i, what.kind, std::move(what.message), 1, nullptr}, 1);
        }
      });
    });
    size_ = 0;  // from here on the values are not ours
    return places_.finish(std::move(failures), seed);
  }

 private:
  // What cannot be read now can at the end, or says then why not.
  void look_at(std::uint64_t i) {
    if (slots_[i].is_blank()) return;  // it failed
    try {
      const byte_reader bytes = records_.read_encoded(slots_[i], i);
      postponed_ = !early_reading<T>::of(bytes);
      if (!postponed_) read(i, bytes);
    } catch (...) {  // NOLINT(bugprone-empty-catch): see above
    }
  }

  void read(std::uint64_t i, byte_reader bytes) {
    decoder in(bytes);
    places_.put(i, [&in] { return in.get<T>(); });
    if (in.left() == 0) return has_value_.set(i);
    places_.discard(i);
    bytes.expect_end();
  }

  const encoded_slot* slots_;
  const worker_arenas& records_;
  Places places_;
  bit_set has_value_;
  std::uint64_t size_;
  std::uint64_t front_{};  // [0, front_) and [back_, n) have been looked at early
  std::uint64_t back_;
  bool postponed_{};
};

}  // namespace parmap::detail
