// SPDX-License-Identifier: MIT
// shared_layout: the memory that the processes of one map share, laid out before the first fork.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/detail/processes/attempt_log.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/worker_arenas.hpp>
#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/system/page_size.hpp>
#include <parmap/detail/system/running_map.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/detail/system/valgrind.hpp>
#include <parmap/detail/system/worker_assignment.hpp>

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <system_error>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Makes shared memory that is a file, so that a program can map it by its descriptor.
inline file_descriptor make_memory_file(std::size_t bytes) {
  file_descriptor file(::memfd_create("parmap ledger", MFD_CLOEXEC));
  rlimit longest{};
  const bool fits = ::getrlimit(RLIMIT_FSIZE, &longest) == 0 && bytes <= longest.rlim_cur;
  if (!fits) errno = EFBIG;  // ftruncate beyond the limit would also raise a signal
  if (!fits || file.get() < 0 || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0)
    throw std::system_error(errno, std::generic_category(),
                            "parmap: cannot make a file in memory for workers that are programs (is the size of "
                            "files limited by ulimit -f?)");
  return file;
}

// With `file`, the memory is one, which is put there.
inline shared_memory make_memory(std::size_t bytes, file_descriptor* file) {
  if (file == nullptr) return shared_memory(bytes);
  *file = make_memory_file(bytes);
  return shared_memory(bytes, *file);
}

// Makes one mapping for a part of `fixed` bytes (ledger and encoded slots) and the arenas. The arenas are as large as
// the system permits, up to 64 GiB per worker, as only pages that are written cost memory.
inline shared_memory make_arena_memory(std::size_t fixed, unsigned workers, file_descriptor* file = nullptr) {
  // Valgrind reads all of it in a worker that ends, to look for leaks.
  const std::size_t largest = under_valgrind() ? std::size_t{64} << 20 : std::size_t{64} << 30;
  const std::size_t smallest = 16 * page_size();
  const auto make = [&](std::size_t each) { return make_memory(fixed + workers * each, file); };
  for (std::size_t each = largest;; each /= 2) {
    try {
      shared_memory memory = make(each);
      if (each == largest || each == smallest) return memory;
      // Address space is limited (RLIMIT_AS), and the tasks need some of it.
      memory = shared_memory();
      return make(std::max(each / 2, smallest));
    } catch (const std::system_error&) {
      if (each == smallest) throw;
    }
  }
}

// Slots that hold values have a mapping of their own, which the results take over; so have the rings of a stream.
// Encoded slots are between the ledger and the arenas, and so are the logs of an observed map.
class shared_layout {
 public:
  // In the caller: makes the memory. With for_programs it is a file, for the constructor below.
  shared_layout(const worker_assignment& of_map, slot_shape slots, bool for_programs,
                const running_maps_lock& /*held*/ = running_maps_lock())
      : shape_(slots),
        tasks_(of_map.tasks),
        workers_(of_map.workers),
        postpones_(of_map.postpones),
        observed_(of_map.observed),
        values_(slots.kind == slot_kind::value   ? shared_memory(slot_bytes())
                : slots.kind == slot_kind::rings ? make_memory(slots.bytes, for_programs ? &rings_file_ : nullptr)
                                                 : shared_memory()),
        memory_(make_arena_memory(arenas_begin(), of_map.workers, for_programs ? &file_ : nullptr)),
        book_(memory_.data(), constants_of(of_map)),
        arenas_(memory_, book_, arenas_begin(), memory_.size(), of_map.tasks, words::fresh) {
    if (observed_) attempt_log_layout::prepare(logs(), workers_);
    running_.enter({&values_, &memory_});
  }

  // In a worker that is a separate program: maps the memory of its map, which has encoded slots, or rings.
  shared_layout(const worker_assignment& mine, slot_shape slots, file_descriptor file, file_descriptor rings = {})
      : shape_(slots),
        tasks_(mine.tasks),
        workers_(mine.workers),
        postpones_(mine.postpones),
        observed_(mine.observed),
        rings_file_(std::move(rings)),
        values_(rings_file_.get() >= 0 ? shared_memory(file_size(rings_file_), rings_file_) : shared_memory()),
        file_(std::move(file)),
        memory_(file_size(file_), file_),
        book_(memory_.data(), constants_of(mine), mine.round),
        arenas_(memory_, book_, arenas_begin(), memory_.size(), mine.tasks, words::kept) {}

  shared_layout(const shared_layout&) = delete;
  shared_layout& operator=(const shared_layout&) = delete;
  ~shared_layout() = default;

  [[nodiscard]] claim_ledger& book() noexcept { return book_; }
  [[nodiscard]] const claim_ledger& book() const noexcept { return book_; }
  [[nodiscard]] worker_arenas& arenas() noexcept { return arenas_; }
  [[nodiscard]] slot_shape shape() const noexcept { return shape_; }
  [[nodiscard]] std::byte* slots() const noexcept {
    return shape_.kind == slot_kind::encoded ? memory_.bytes() + ledger_bytes() : values_.bytes();
  }
  // Of an observed map: see attempt_log.hpp.
  [[nodiscard]] std::byte* logs() const { return memory_.bytes() + logs_begin(); }
  [[nodiscard]] std::size_t slot_bytes() const {
    if (shape_.bytes == 0 || shape_.kind == slot_kind::rings) return 0;
    if (tasks_ > std::numeric_limits<std::ptrdiff_t>::max() / shape_.bytes) throw std::bad_alloc();
    return tasks_ * shape_.bytes;
  }
  [[nodiscard]] running_map& running() noexcept { return running_; }
  // Makes the mapping of the values read-only and hands it over. Later workers inherit it.
  [[nodiscard]] shared_memory take_values() {
    values_.seal();
    const running_maps_lock lock;
    running_.release(0);
    return std::move(values_);
  }

  // Children do not inherit this memory: those of tasks, and other maps' workers. False, with errno, if that is
  // refused.
  [[nodiscard]] bool keep_from_children() const noexcept {
    return memory_.keep_from_children() && values_.keep_from_children();
  }
  // The descriptors of the memory, and of that of rings, if they are for programs.
  [[nodiscard]] int file() const noexcept { return file_.get(); }
  [[nodiscard]] int rings_file() const noexcept { return rings_file_.get(); }

 private:
  static claim_ledger::constants constants_of(const worker_assignment& of_map) noexcept {
    return {.workers = of_map.workers,
            .max_failures = of_map.max_failures,
            .retries = of_map.retries,
            .postpones = of_map.postpones,
            .streams = of_map.streams,
            .observed = of_map.observed};
  }
  [[nodiscard]] std::size_t ledger_bytes() const noexcept { return claim_ledger::bytes(workers_, postpones_); }
  [[nodiscard]] std::size_t logs_begin() const {
    return round_up_to_page(ledger_bytes() + (shape_.kind == slot_kind::encoded ? slot_bytes() : 0));
  }
  [[nodiscard]] std::size_t arenas_begin() const {
    if (observed_) return logs_begin() + attempt_log_layout::bytes(workers_);
    return ledger_bytes() + (shape_.kind == slot_kind::encoded ? slot_bytes() : 0);
  }
  static std::size_t file_size(const file_descriptor& file) {
    const off_t size = ::lseek(file.get(), 0, SEEK_END);
    if (size <= 0)
      throw std::system_error(errno, std::generic_category(), "parmap: cannot read the size of a map's memory");
    return static_cast<std::size_t>(size);
  }

  slot_shape shape_;
  std::uint64_t tasks_;
  unsigned workers_;
  bool postpones_;
  bool observed_;
  file_descriptor rings_file_;
  shared_memory values_;
  file_descriptor file_;
  shared_memory memory_;
  claim_ledger book_;
  worker_arenas arenas_;
  running_map running_;  // destroyed before the memory, whose addresses may then belong to something else
};

}  // namespace parmap::inline PARMAP_ABI::detail
