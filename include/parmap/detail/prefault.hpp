// SPDX-License-Identifier: MIT
// Touches the pages of results before the tasks do, many at once.
#pragma once

#include <parmap/detail/shared_memory.hpp>

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>

namespace parmap::detail {

// A fault in the midst of tasks costs about 3 us a page, populating 64 pages at once about 2 us each. The claims of a
// worker follow each other from one end of the slots, so the pages that will be written next are known. One object for
// each worker process.
class prefault {
 public:
  explicit prefault(const shared_memory& memory) noexcept : memory_(memory), useless_(memory.size() <= window) {}

  // Bytes [b, e) are about to be written, and later those behind (forward) or before them.
  void prepare(bool forward, std::size_t b, std::size_t e) noexcept {
    if (useless_ || (b >= begin_ && e <= end_)) return;
    begin_ = (forward ? b : std::min(b, e - std::min(e, window))) / page * page;
    end_ = std::min({memory_.size(), forward ? std::max(e, b + window) : e, begin_ + most});
    // MADV_POPULATE_WRITE since Linux 5.14; before that the tasks fault for themselves.
    useless_ = ::madvise(memory_.bytes() + begin_, end_ - begin_, populate_write) != 0;
  }

 private:
  static constexpr std::size_t page = 4096;
  static constexpr std::size_t window = 64 * page;
  static constexpr std::size_t most = 512 * page;  // a huge result may never be written as a whole
  static constexpr int populate_write = 23;        // MADV_POPULATE_WRITE, which older headers lack

  const shared_memory& memory_;
  bool useless_;
  std::size_t begin_{};
  std::size_t end_{};
};

}  // namespace parmap::detail
