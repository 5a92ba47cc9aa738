// SPDX-License-Identifier: MIT
// shared_heap: blocks of bytes in shared memory, which the caller writes and worker processes read.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/system/give_back.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The caller alone writes, and keeps in its own memory which blocks are free: so a task that writes over the shared
// memory changes what is in blocks, and nothing else. Blocks have a size of 2^k bytes.
class shared_heap {
 public:
  struct block {
    std::uint64_t offset;  // in the memory, a multiple of 64
    std::uint64_t size;    // of what was written; not 0

    // Its size is 2^k bytes.
    [[nodiscard]] unsigned k() const noexcept {
      return std::max(smallest, static_cast<unsigned>(std::bit_width(size - 1)));
    }
  };

  // In [begin, end) of the memory that begins at `memory`, of which only pages that are written cost anything.
  shared_heap(std::byte* memory, std::size_t begin, std::size_t end) noexcept
      : memory_(memory),
        top_((begin + 63) / 64 * 64),
        half_(begin + (end - begin) / 2),
        end_(end) {}
  shared_heap(const shared_heap&) = delete;
  shared_heap& operator=(const shared_heap&) = delete;

  // What write(bytes) writes to the byte_writer that it is given, in free memory until keep() or the next draft().
  // Throws std::bad_alloc if the heap is full, and what write throws.
  template <class Write>
  [[nodiscard]] byte_writer draft(const Write& write) {
    byte_writer bytes(memory_ + top_, memory_ + end_);
    write_or_give_back(bytes, write);
    return bytes;
  }
  // The draft becomes a block. It must have bytes.
  block keep(const byte_writer& draft) {
    block made{top_, draft.written()};
    const unsigned k = made.k();
    // A large one stays where it is: a free block has no pages, and new ones cost more than what is written to them.
    if (free_[k].empty() || (k >= large && top_ < half_)) {
      if (end_ - top_ < std::uint64_t{1} << k) {
        give_back(draft.data(), draft.written());
        throw std::bad_alloc();
      }
      top_ += std::uint64_t{1} << k;
    } else {
      made.offset = free_[k].back();
      free_[k].pop_back();
      std::memcpy(memory_ + made.offset, draft.data(), made.size);
      give_back(draft.data(), made.size);
    }
    bytes_ += std::uint64_t{1} << k;
    return made;
  }
  // Nobody reads the block any more. The pages of a large one go back to the system.
  void drop(std::uint64_t offset, unsigned k) {
    free_[k].push_back(offset);
    bytes_ -= std::uint64_t{1} << k;
    if (k < large) return;
    give_back(memory_ + offset, std::size_t{1} << k);
    while (lower_top()) {
    }
  }
  void drop(const block& it) { drop(it.offset, it.k()); }

  // What all blocks take.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const std::byte* at(std::uint64_t offset) const noexcept { return memory_ + offset; }

 private:
  static constexpr unsigned smallest = 6;
  static constexpr unsigned large = std::bit_width(much_memory) - 1;

  // Takes a large block that is free from the end of the heap. False if there is none.
  bool lower_top() noexcept {
    for (unsigned k = large; k < free_.size(); ++k)
      if (const auto last = std::ranges::find(free_[k], top_ - (std::uint64_t{1} << k)); last != free_[k].end()) {
        top_ = *last;
        free_[k].erase(last);
        return true;
      }
    return false;
  }

  std::byte* memory_;
  std::size_t top_;  // the heap ends here; what is written next begins here
  std::size_t half_;
  std::size_t end_;
  std::uint64_t bytes_{};
  std::array<std::vector<std::uint64_t>, 64> free_;  // blocks by class
};

}  // namespace parmap::inline PARMAP_ABI::detail
