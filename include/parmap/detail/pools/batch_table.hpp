// SPDX-License-Identifier: MIT
// batch_table: what the tasks of a pool's stream are. The caller writes it, and workers read it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/checksum.hpp>
#include <parmap/detail/processes/worker_words.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Bytes in the shared heap: an encoded function, or encoded inputs.
struct sent_bytes {
  std::uint64_t number;  // each has its own; 0: there are none
  std::uint64_t offset;
  std::uint64_t size;
  std::uint64_t check;  // keyed by the number
};

// Consecutive tasks of one map, which a worker claims together. In the stream of all tasks of the pool they are
// [first, first + count); in their map, [task, task + count).
struct batch {
  std::uint64_t first;
  std::uint64_t count;
  std::uint64_t task;
  std::uint64_t attempt;  // the number of this attempt of each task, from 1
  std::uint64_t seed;
  std::uint64_t allowed;  // ns that each task may take; 0: any time
  sent_bytes function;
  sent_bytes inputs;

  [[nodiscard]] std::uint64_t end() const noexcept { return first + count; }
  [[nodiscard]] bool has(std::uint64_t at) const noexcept { return at - first < count; }
};
static_assert(std::is_trivially_copyable_v<batch> && std::has_unique_object_representations_v<batch>);

// How far a batch has come.
struct batch_state {
  static constexpr std::uint64_t pending = 0;
  static constexpr std::uint64_t begun = 1;
  // Its tasks are not begun any more: none has been, or some have.
  static constexpr std::uint64_t halted = 2;
  static constexpr std::uint64_t cut_short = 3;
};

// Entry k of the table is at place k % places. The caller passes over a number whose place is still in use: so a task
// that runs for hours holds nobody up.
class batch_table {
 public:
  static constexpr std::size_t places = 4096;

  struct entry {
    std::uint64_t number;
    batch what;
    std::uint64_t check;
    alignas(64) shared_word<"batch"> state;
  };
  static constexpr std::size_t bytes = places * sizeof(entry);

  // In zeroed memory.
  explicit batch_table(void* at) noexcept : entries_(static_cast<entry*>(at)) {}

  // ---- by a worker

  // The batch that has this task of the stream; null if it was written over. Valid until the next call.
  [[nodiscard]] const batch* find(std::uint64_t task) noexcept {
    if (found_.has(task)) return &found_;
    for (std::uint64_t k = newest_; k < newest_ + places; ++k)
      if (take(k, task)) return &found_;
    for (std::size_t at = 0; at < places; ++at)  // an older one, of a worker that has died
      if (take(entries_[at].number, task)) return &found_;
    return nullptr;
  }
  // Of the batch that was found last. False if it was halted.
  [[nodiscard]] bool begin() const noexcept {
    return state().set_if(batch_state::pending, batch_state::begun) <= batch_state::begun;
  }
  [[nodiscard]] bool is_halted() const noexcept { return state().get() > batch_state::begun; }

  // ---- by the caller

  // Whether there is a place for a further batch.
  [[nodiscard]] bool has_room() const noexcept { return used_ < places / 2; }
  // Returns its number. There must be room.
  std::uint64_t put(const batch& what) noexcept {
    while (in_use_[next_ % places]) ++next_;
    entry& to = entries_[next_ % places];
    to.state.set(batch_state::pending);
    to.number = next_;
    to.what = what;
    to.check = expected_check(next_, what);
    in_use_[next_ % places] = true;
    ++used_;
    return next_++;
  }
  // All its tasks have ended.
  void drop(std::uint64_t number) noexcept {
    in_use_[number % places] = false;
    --used_;
  }
  [[nodiscard]] bool has_begun(std::uint64_t number) const noexcept {
    return entries_[number % places].state.get() == batch_state::begun;
  }
  // Its tasks are not begun any more, unless one has been. Returns whether that is so.
  bool cancel(std::uint64_t number) noexcept {
    const std::uint64_t before = entries_[number % places].state.set_if(batch_state::pending, batch_state::halted);
    return before == batch_state::pending || before == batch_state::halted;
  }
  // Its tasks are not begun any more. Returns whether none of them had been.
  bool halt(std::uint64_t number) noexcept {
    if (cancel(number)) return true;
    entries_[number % places].state.set(batch_state::cut_short);
    return false;
  }

 private:
  [[nodiscard]] static std::uint64_t expected_check(std::uint64_t number, const batch& what) noexcept {
    const auto all = std::bit_cast<std::array<std::byte, sizeof(batch)>>(what);
    return checksum(all.data(), all.size(), number);
  }
  [[nodiscard]] bool take(std::uint64_t number, std::uint64_t task) noexcept {
    const entry& from = entries_[number % places];
    if (from.number != number || !from.what.has(task)) return false;
    const batch it = from.what;
    if (from.check != expected_check(number, it) || !it.has(task)) return false;
    found_ = it;
    found_number_ = number;
    newest_ = std::max(newest_, number);
    return true;
  }
  [[nodiscard]] shared_word<"batch">& state() const noexcept { return entries_[found_number_ % places].state; }

  entry* entries_;
  // A worker's.
  batch found_{};
  std::uint64_t found_number_{};
  std::uint64_t newest_{};
  // The caller's.
  std::vector<bool> in_use_ = std::vector<bool>(places);
  std::size_t used_{};
  std::uint64_t next_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
