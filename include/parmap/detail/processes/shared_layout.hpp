// SPDX-License-Identifier: MIT
// Everything that the processes of one map share, laid out before the first fork.
#pragma once

#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/slot_writer.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/detail/system/worker_assignment.hpp>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

namespace parmap::detail {

// Of shared memory that is a file, so that a program that is handed its descriptor can map it too.
inline file_descriptor make_memory_file(std::size_t bytes) {
  file_descriptor file(::memfd_create("parmap ledger", MFD_CLOEXEC));
  rlimit longest{};
  const bool fits = ::getrlimit(RLIMIT_FSIZE, &longest) == 0 && bytes <= longest.rlim_cur;
  if (!fits) errno = EFBIG;  // asking for more would be answered by a signal, too
  if (!fits || file.get() < 0 || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0)
    throw std::system_error(errno, std::generic_category(),
                            "parmap: a file in memory for workers that are programs (is the size of files limited by "
                            "ulimit -f?)");
  return file;
}

// Ledger, a fixed part of `fixed` bytes, and the arenas in one mapping; the arenas as large as they can be had, up to
// 64 GiB a worker, as only pages that are written to cost memory.
inline shared_memory make_arena_memory(std::size_t fixed, unsigned workers, file_descriptor* file = nullptr) {
  constexpr std::size_t largest = std::size_t{64} << 30;
  constexpr std::size_t smallest = std::size_t{64} << 10;
  const auto make = [&](std::size_t each) {
    const std::size_t bytes = fixed + workers * each;
    if (file == nullptr) return shared_memory(bytes);
    *file = make_memory_file(bytes);
    return shared_memory(bytes, *file);
  };
  for (std::size_t each = largest;; each /= 2) {
    try {
      shared_memory memory = make(each);
      if (each == largest || each == smallest) return memory;
      // Address space is short (RLIMIT_AS), and the tasks want some too.
      memory = shared_memory();
      return make(std::max(each / 2, smallest));
    } catch (const std::system_error&) {
      if (each == smallest) throw;
    }
  }
}

// `T` is what tasks return.
template <class T>
class shared_layout {
 public:
  // Fresh, in the caller. for_programs: in a file, see join().
  shared_layout(const worker_assignment& of_map, bool for_programs)
      : slots_(claim_ledger::bytes(of_map.workers), of_map.tasks),
        memory_(make_arena_memory(slots_.arenas_begin(), of_map.workers, for_programs ? &file_ : nullptr)),
        book_(memory_.data(), of_map.workers, of_map.max_failures, std::min(of_map.retries, max_attempts - 1),
              of_map.timed),
        records_(memory_, book_, slots_.arenas_begin(), memory_.size(), of_map.tasks, words::fresh) {}

  // In a worker that is a program of its own: the memory of the map that it was assigned to.
  shared_layout(const worker_assignment& mine, file_descriptor file)
    requires(!in_slot<T>)
      : slots_(claim_ledger::bytes(mine.workers), mine.tasks),
        file_(std::move(file)),
        memory_(file_size(file_), file_),
        book_(memory_.data(), mine.workers, mine.max_failures, std::min(mine.retries, max_attempts - 1), mine.timed,
              mine.round),
        records_(memory_, book_, slots_.arenas_begin(), memory_.size(), mine.tasks, words::kept) {}

  shared_layout(const shared_layout&) = delete;
  shared_layout& operator=(const shared_layout&) = delete;
  ~shared_layout() = default;

  [[nodiscard]] claim_ledger& book() noexcept { return book_; }
  [[nodiscard]] const claim_ledger& book() const noexcept { return book_; }
  [[nodiscard]] worker_arenas& records() noexcept { return records_; }
  [[nodiscard]] shared_slots<T>& slots() noexcept { return slots_; }
  [[nodiscard]] const shared_memory& memory() const noexcept { return memory_; }
  // Of the memory, if it is for programs.
  [[nodiscard]] int file() const noexcept { return file_.get(); }

 private:
  static std::size_t file_size(const file_descriptor& file) {
    const off_t size = ::lseek(file.get(), 0, SEEK_END);
    if (size <= 0) throw std::system_error(errno, std::generic_category(), "parmap: the memory of a map");
    return static_cast<std::size_t>(size);
  }

  shared_slots<T> slots_;
  file_descriptor file_;
  shared_memory memory_;
  claim_ledger book_;
  worker_arenas records_;
};

}  // namespace parmap::detail
