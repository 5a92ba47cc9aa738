// SPDX-License-Identifier: MIT
// stream_layout: the memory that the processes of one stream share besides the ledger: rings, the words between caller
// and supervisor, and an annex for what the caller sends to the workers.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/system/page_size.hpp>
#include <parmap/detail/system/valgrind.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

// How a stream's supervisor has ended.
enum class stream_end : std::uint64_t { not_yet, complete, system_error, runtime_error, no_memory };

// What no worker writes, but a faulty task may write over.
struct stream_words {
  alignas(128) shared_word<"asleep"> asleep;  // the caller sleeps until an outcome comes
  alignas(128) shared_word<"bound"> bound;    // the number of tasks, once it is known; else unknown_size
  shared_word<"closing"> closing;             // nonzero: the caller takes no more outcomes
  shared_word<"dozing"> dozing;               // of a pool: who begins tasks that have a limit wakes the supervisor
  shared_word<"state"> state;                 // a stream_end
  std::uint64_t error_code;                   // of a system_error
  std::uint64_t error_check;                  // of the text, keyed by its size
  std::uint64_t error_size;
  std::array<char, 2000> error_text;

  static constexpr std::uint64_t unknown_size = ~std::uint64_t{0};
};

// Memory of a stream that its caller writes and its workers read: the elements of an axis that is read as the stream
// goes, the work of a pool.
class stream_annex {
 public:
  stream_annex(const stream_annex&) = delete;
  stream_annex& operator=(const stream_annex&) = delete;

  // How much it needs in front of a heap, which is as large as that of a ring.
  [[nodiscard]] virtual std::size_t table_bytes() const noexcept = 0;
  // In the caller, before the first fork, and in a worker that is a program of its own: it is [begin, end) of the
  // memory that begins at `memory`, which was zeroed at first.
  virtual void take(std::byte* memory, std::size_t begin, std::size_t end) = 0;

 protected:
  stream_annex() = default;
  ~stream_annex() = default;
};

// Offsets in the mapping. Unmapped pages lie between its parts, so that an array that runs over in one of them faults
// before it reaches the next.
class stream_layout {
 public:
  // A ring for each worker and one for the supervisor, each with a heap of `heap` bytes; `annex` may be null.
  stream_layout(unsigned workers, std::uint64_t window, std::size_t heap, const stream_annex* annex)
      : workers_(workers),
        capacity_(
            std::bit_ceil(std::clamp<std::uint64_t>(window + ring_pace().untold, smallest_capacity, largest_capacity))),
        heap_(round_up_to_page(heap)),
        annex_(annex != nullptr ? round_up_to_page(annex->table_bytes() + heap) : 0) {}

  // With none for a window that is chosen by the sizes of outcomes.
  static constexpr std::uint64_t smallest_capacity = 1 << 15;
  static constexpr std::uint64_t largest_capacity = 1 << 26;
  static constexpr std::uint64_t largest_window = largest_capacity - ring_pace().untold;

  [[nodiscard]] std::size_t bytes() const noexcept {
    return first_ring() + (workers_ + 1) * ring_bytes() + (annex_ > 0 ? annex_ + page_size() : 0);
  }
  // Makes the words and the unmapped pages. Throws std::system_error.
  void prepare(std::byte* memory) const {
    ::new (memory) stream_words;
    words(memory).bound.set(stream_words::unknown_size);
    for (unsigned w = 0; w <= workers_; ++w) ::new (memory + ring(memory, w).words) ring_words;
    protect(memory);
  }
  // Makes the unmapped pages, as mappings of each process have their own. Throws std::system_error.
  void protect(std::byte* memory) const {
    for (unsigned w = 0; w <= workers_; ++w) {
      const ring_place at = ring(memory, w);
      unmap(memory + at.words - page_size());
      unmap(memory + at.heap - page_size());
      unmap(memory + at.heap_end);
    }
  }
  [[nodiscard]] static stream_words& words(void* memory) noexcept {
    return *std::launder(static_cast<stream_words*>(memory));
  }
  // The supervisor's ring has the number of workers.
  [[nodiscard]] ring_place ring(std::byte* memory, unsigned w) const noexcept {
    const std::size_t begin = first_ring() + w * ring_bytes();
    const std::size_t cells = begin + words_bytes();
    const std::size_t heap = cells + cell_bytes() + page_size();
    return {memory, begin, cells, capacity_, heap, heap + heap_, {}};
  }
  [[nodiscard]] std::size_t annex_begin() const noexcept { return first_ring() + (workers_ + 1) * ring_bytes(); }
  [[nodiscard]] std::size_t annex_end() const noexcept { return annex_begin() + annex_; }
  [[nodiscard]] unsigned workers() const noexcept { return workers_; }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t heap_bytes() const noexcept { return heap_; }

 private:
  static void unmap(std::byte* page) {
    if (::mprotect(page, page_size(), PROT_NONE) != 0)
      throw std::system_error(errno, std::generic_category(), "parmap: cannot protect the memory of a stream");
  }
  [[nodiscard]] static std::size_t words_bytes() noexcept { return round_up_to_page(sizeof(ring_words)); }
  [[nodiscard]] std::size_t cell_bytes() const noexcept { return round_up_to_page(capacity_ * sizeof(ring_cell)); }
  [[nodiscard]] static std::size_t first_ring() noexcept {
    return round_up_to_page(sizeof(stream_words)) + page_size();
  }
  // With the unmapped pages in front of the heap and behind it.
  [[nodiscard]] std::size_t ring_bytes() const noexcept {
    return words_bytes() + cell_bytes() + page_size() + heap_ + page_size();
  }

  unsigned workers_;
  std::uint64_t capacity_;
  std::size_t heap_;
  std::size_t annex_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
