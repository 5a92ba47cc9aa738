// SPDX-License-Identifier: MIT
// prefault: populates the pages of results before tasks write them, many at once.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/page_size.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// A page fault during tasks takes about 3 µs; populating 64 pages of 4 KiB at once takes about 2 µs each. A worker's
// claims follow each other from one end of the slots, so the next pages are known. One object per worker process.
class prefault {
 public:
  // Covers `size` bytes of shared memory.
  prefault(std::byte* from, std::size_t size) noexcept
      : base_(from - reinterpret_cast<std::uintptr_t>(from) % page_size()),
        before_(static_cast<std::size_t>(from - base_)),
        size_(before_ + size),
        useless_(size_ <= window) {}

  // Call before bytes [b, e) are written; later writes follow after them (forward) or before them.
  void prepare(bool forward, std::size_t b, std::size_t e) noexcept {
    b += before_;
    e += before_;
    if (useless_ || (b >= begin_ && e <= end_)) return;
    begin_ = round_down_to_page(forward ? b : std::min(b, e - std::min(e, window)));
    end_ = std::min({size_, forward ? std::max(e, b + window) : e, begin_ + most});
    // MADV_POPULATE_WRITE needs Linux 5.14; on older kernels the tasks take the faults.
    useless_ = ::madvise(base_ + begin_, end_ - begin_, populate_write) != 0;
  }

 private:
  static constexpr std::size_t window = std::size_t{256} << 10;
  static constexpr std::size_t most = std::size_t{2} << 20;  // a huge result may never be written completely
  static constexpr int populate_write = 23;                  // MADV_POPULATE_WRITE, which older headers lack

  std::byte* base_;     // the start of the page with the first byte
  std::size_t before_;  // the distance from base_ to the first byte
  std::size_t size_;
  bool useless_;
  std::size_t begin_{};
  std::size_t end_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
