// SPDX-License-Identifier: MIT
// shared_elements: encoded elements of an axis on their way from the caller to worker processes.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/detail/streams/shared_heap.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// A table of slots and a heap, in shared memory. The caller alone writes both, and keeps in its own memory which parts
// are free: so a task that writes over the shared memory changes elements, which their checks tell, and nothing else.
// An element may be anywhere up to `places` ahead of the first one that is not dropped.
class shared_elements {
 public:
  static constexpr std::uint64_t places = std::uint64_t{1} << 20;
  static constexpr std::size_t table_bytes = places * sizeof(encoded_slot);

  // In [begin, end) of the memory that begins at `memory`, of which only pages that are written cost anything.
  shared_elements(std::byte* memory, std::size_t begin, std::size_t end)
      : memory_(memory),
        table_(begin),
        end_(end),
        heap_(memory, begin + table_bytes, end) {}
  shared_elements(const shared_elements&) = delete;
  shared_elements& operator=(const shared_elements&) = delete;

  // Writes element e: write(bytes) does so to the byte_writer that it is given. Throws std::bad_alloc if the heap is
  // full, and what write throws.
  template <class Write>
  void put(std::uint64_t e, const Write& write) {
    slot(e) = commit(heap_.draft(write), e);
  }
  // Nobody reads element e any more.
  void drop(std::uint64_t e) {
    const std::uint64_t offset = std::exchange(held_[e % places], 0);
    if (offset == 0) return;
    heap_.drop(offset & ~class_bits, offset & class_bits);
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return heap_.bytes(); }

  // In any process: the bytes of element e. Throws bad_encoding unless they are as they were written.
  [[nodiscard]] byte_reader read(std::uint64_t e) const {
    const encoded_slot& it = slot(e);
    if (it.is_short()) {
      if (const auto bytes = it.read_short(e)) return *bytes;
    } else if (it.offset > table_ && it.offset < end_ && it.bytes_in_arena() <= end_ - it.offset &&
               it.fits_check(memory_ + it.offset, e)) {
      return {memory_ + it.offset, it.bytes_in_arena()};
    }
    throw bad_encoding(
        "the element of an axis was written over by a task of this stream that wrote to memory it does not own");
  }

 private:
  // Blocks have a size of 2^k bytes, and begin at a multiple of 64: so the lowest bits of an offset can hold k.
  static constexpr std::uint64_t class_bits = 63;

  static std::uint64_t* zeroed() {
    void* const memory = std::calloc(places, sizeof(std::uint64_t));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<std::uint64_t*>(memory);
  }
  [[nodiscard]] encoded_slot& slot(std::uint64_t e) const noexcept {
    void* const table = memory_ + table_;
    return static_cast<encoded_slot*>(table)[e % places];
  }
  encoded_slot commit(const byte_writer& written, std::uint64_t e) {
    const std::size_t size = written.written();
    if (size <= encoded_slot::longest_short) return encoded_slot::of_short(written.data(), size, e);
    const shared_heap::block made = heap_.keep(written);
    held_[e % places] = made.offset | made.k();
    return encoded_slot::in_arena(made.offset, memory_ + made.offset, size, e);
  }

  std::byte* memory_;
  std::size_t table_;
  std::size_t end_;
  shared_heap heap_;
  // Block and class of each element; 0: none. By calloc, which touches none of it.
  std::unique_ptr<std::uint64_t[], void (*)(void*)> held_{zeroed(), &std::free};
};

}  // namespace parmap::inline PARMAP_ABI::detail
