// SPDX-License-Identifier: MIT
// ring_heap: the blocks of memory in which the writer of a ring puts values that do not fit into a cell.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/system/give_back.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// In the writer's process alone, which knows in its own memory which blocks are free.
class ring_heap {
 public:
  // Blocks have a size of 2^k bytes.
  struct block {
    std::size_t begin;
    unsigned k;

    [[nodiscard]] std::size_t bytes() const noexcept { return std::size_t{1} << k; }
  };

  // In [begin, end) of the memory that begins at `memory`.
  ring_heap(std::byte* memory, std::size_t begin, std::size_t end) noexcept
      : memory_(memory),
        begin_(begin),
        end_(end),
        top_(begin),
        high_(begin) {}
  ring_heap(const ring_heap&) = delete;
  ring_heap& operator=(const ring_heap&) = delete;

  // The block of these bytes; none if they do not lie in the heap: their place was written over, and the block is lost.
  [[nodiscard]] std::optional<block> block_of(std::size_t begin, std::size_t size) const noexcept {
    if (begin < begin_ || begin >= end_ || size == 0 || size > end_ - begin) return std::nullopt;
    return block{begin, class_of(size)};
  }
  // ---- by the successor of a dead writer: first of each block that is in use, then once

  void keep(const block& held) noexcept {
    top_ = std::max(top_, held.begin + held.bytes());
    if (held.k >= large) ++large_in_use_;
  }
  // What lies behind them goes back to the system.
  void begin_behind() noexcept { give_back(memory_ + (high_ = top_), end_ - top_); }

  // Whether a value of the size of the last one finds a block.
  [[nodiscard]] bool has_likely() const noexcept { return !free_[likely_].empty(); }
  // The bytes that write(to) writes to the byte_writer that it is given, perhaps twice. More than `here` of them are in
  // a block then; others stay until the next call. Throws what write throws, and arena_full; then nothing is kept.
  template <class Write>
  std::span<const std::byte> put(std::size_t here, const Write& write) {
    // Results are often of one size: then the bytes are written to where they stay.
    if (auto& likely = free_[likely_]; !likely.empty()) {
      const std::size_t begin = likely.back();
      byte_writer bytes(memory_ + begin, memory_ + begin + (std::size_t{1} << likely_));
      if (likely_ >= large) dirty_ = true;
      try {
        write(bytes);
        const std::size_t size = bytes.written();
        if (size <= here) return {bytes.data(), size};
        if (class_of(size) != likely_) return place(bytes.data(), size);
        likely.pop_back();
        note_use(likely_);
        return {bytes.data(), size};
      } catch (const arena_full&) {  // NOLINT(bugprone-empty-catch): this one is larger
      }
    }
    byte_writer bytes(memory_ + top_, memory_ + end_);
    const draft_at_top noted(*this, bytes);
    write(bytes);
    if (bytes.written() <= here) return {bytes.data(), bytes.written()};
    return place(bytes.data(), bytes.written());
  }
  // Nobody reads the block any more.
  void free(const block& it) {
    free_[it.k].push_back(it.begin);
    if (it.k < large) return;
    dirty_ = true;
    large_in_use_ -= large_in_use_ > 0 ? 1 : 0;
  }

  // Whether there is much memory that may go back to the system, now or later.
  [[nodiscard]] bool has_large() const noexcept { return dirty_ || large_in_use_ > 0; }
  // Gives back the large blocks that are free, unless one was used a moment ago: new pages cost more than what is
  // written to them. Returns whether some are left for that reason.
  bool give_back_unused() noexcept {
    if (!dirty_) return false;
    if (now_ticks() - used_ < to_ticks(moment)) return true;
    for (unsigned k = large; k < free_.size(); ++k)
      for (const std::size_t begin : free_[k]) give_back(memory_ + begin, std::size_t{1} << k);
    give_back(memory_ + top_, high_ - top_);
    high_ = top_;
    dirty_ = false;
    return false;
  }
  static constexpr std::chrono::milliseconds moment{500};

 private:
  static constexpr unsigned smallest = 6;
  static constexpr unsigned large = std::bit_width(much_memory) - 1;

  // What was written there stays until it is given back, also if it came to nothing.
  class draft_at_top {
   public:
    draft_at_top(ring_heap& in, const byte_writer& bytes) noexcept : in_(in), bytes_(bytes), top_(in.top_) {}
    draft_at_top(const draft_at_top&) = delete;
    draft_at_top& operator=(const draft_at_top&) = delete;
    ~draft_at_top() {
      in_.high_ = std::max({in_.high_, top_ + bytes_.written(), in_.top_});
      if (in_.high_ - in_.top_ < much_memory) return;
      in_.dirty_ = true;
      in_.used_ = now_ticks();
    }

   private:
    ring_heap& in_;
    const byte_writer& bytes_;
    std::size_t top_;
  };

  [[nodiscard]] static unsigned class_of(std::size_t size) noexcept {
    return std::max(smallest, static_cast<unsigned>(std::bit_width(size - 1)));
  }
  void note_use(unsigned k) noexcept {
    if (k < large) return;
    ++large_in_use_;
    used_ = now_ticks();
  }
  // For bytes at `from`: into a free block, or where they are if that is the end of the heap.
  std::span<const std::byte> place(const std::byte* from, std::size_t size) {
    const block to{top_, class_of(size)};
    likely_ = to.k;
    std::size_t begin = to.begin;
    if (!free_[to.k].empty()) {
      begin = free_[to.k].back();
      free_[to.k].pop_back();
    } else {
      if (to.bytes() > end_ - top_) throw arena_full();
      top_ += to.bytes();
    }
    note_use(to.k);
    if (memory_ + begin != from) std::memcpy(memory_ + begin, from, size);
    return {memory_ + begin, size};
  }

  std::byte* memory_;
  std::size_t begin_;
  std::size_t end_;
  std::size_t top_;   // blocks lie before
  std::size_t high_;  // nothing was written at or behind
  unsigned likely_{smallest};
  std::array<std::vector<std::size_t>, 64> free_;  // blocks by class
  std::size_t large_in_use_{};
  bool dirty_{};  // there may be much free memory that has been written
  ticks used_{};  // when large values were written
};

}  // namespace parmap::inline PARMAP_ABI::detail
