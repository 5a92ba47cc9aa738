// SPDX-License-Identifier: MIT
// Touches the pages of results before the tasks do, many at once.
#pragma once

#include <parmap/detail/config.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// A fault in the midst of tasks costs about 3 us a page, populating 64 pages at once about 2 us each. The claims of a
// worker follow each other from one end of the slots, so the pages that will be written next are known. One object for
// each worker process.
class prefault {
 public:
  // Of `size` bytes of shared memory.
  prefault(std::byte* from, std::size_t size) noexcept
      : base_(from - reinterpret_cast<std::uintptr_t>(from) % page),
        before_(static_cast<std::size_t>(from - base_)),
        size_(before_ + size),
        useless_(size_ <= window) {}

  // Bytes [b, e) are about to be written, and later those behind (forward) or before them.
  void prepare(bool forward, std::size_t b, std::size_t e) noexcept {
    b += before_;
    e += before_;
    if (useless_ || (b >= begin_ && e <= end_)) return;
    begin_ = (forward ? b : std::min(b, e - std::min(e, window))) / page * page;
    end_ = std::min({size_, forward ? std::max(e, b + window) : e, begin_ + most});
    // MADV_POPULATE_WRITE since Linux 5.14; before that the tasks fault for themselves.
    useless_ = ::madvise(base_ + begin_, end_ - begin_, populate_write) != 0;
  }

 private:
  static constexpr std::size_t page = 4096;
  static constexpr std::size_t window = 64 * page;
  static constexpr std::size_t most = 512 * page;  // a huge result may never be written as a whole
  static constexpr int populate_write = 23;        // MADV_POPULATE_WRITE, which older headers lack

  std::byte* base_;     // at the beginning of a page,
  std::size_t before_;  // so far before the first byte
  std::size_t size_;
  bool useless_;
  std::size_t begin_{};
  std::size_t end_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
