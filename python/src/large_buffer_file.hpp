// SPDX-License-Identifier: MIT
// Large buffers of results, such as the elements of arrays: written by a worker into a file in memory, once, and mapped
// by the caller where they lie. README.md beside this file says who owns what.
#pragma once

#include "fork_counter.hpp"

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace parmap::python {

/// What one worker has written, mapped privately: a store here, or by a process that inherits it, is seen by nobody
/// else. Unmapped with its last owner. Used with the GIL held.
class mapped_region {
 public:
  /// Bytes [begin, begin + size) of the file. Throws std::bad_alloc if that is refused.
  mapped_region(int file, std::uint64_t begin, std::size_t size);
  mapped_region(const mapped_region&) = delete;
  mapped_region& operator=(const mapped_region&) = delete;
  ~mapped_region();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Nobody will look at these bytes again, which begin at a page and have its rest. Their memory is given back; but
  /// not while workers may read what they have inherited, and if somebody else has inherited it, only with the region.
  void discard(std::size_t at, std::size_t size);
  /// Gives back what had to wait for workers.
  void settle() noexcept;

 private:
  std::byte* data_;
  std::byte* alias_;  // the file itself, for the kernel only: pages cannot be taken out of it through a private mapping
  std::size_t size_;
  std::vector<std::pair<std::size_t, std::size_t>> discarded_;
  std::uint64_t forks_{fork_counter::count()};
};

/// Bytes within a region.
struct slice {
  std::shared_ptr<mapped_region> region;
  std::size_t at;
  std::size_t size;

  [[nodiscard]] std::byte* data() const noexcept { return region->data() + at; }
};

/// The file of one map. Each worker process has a region of it for itself, in which buffers begin at whole pages.
class large_buffer_file {
 public:
  /// Smaller buffers are cheaper copied than mapped, and would waste most of a page.
  static constexpr std::size_t smallest = std::size_t{64} << 10;

  struct place {
    std::uint64_t offset;
    std::uint64_t size;
  };

  /// In the caller, before the first fork. Where such a file is refused, append() refuses.
  large_buffer_file() noexcept;
  /// In a worker that is a program of its own: the caller's file(), and the caller's worker() when it was started.
  large_buffer_file(int file, std::uint64_t worker) noexcept;
  large_buffer_file(const large_buffer_file&) = delete;
  large_buffer_file& operator=(const large_buffer_file&) = delete;
  /// In the caller, when no worker is left: gives back all memory but that of slices that are held.
  ~large_buffer_file();

  /// In the caller, before each fork: the worker to come has the next region.
  void next_worker() noexcept {
    ++worker_;
    used_ = 0;
  }
  [[nodiscard]] int file() const noexcept { return file_; }
  [[nodiscard]] std::uint64_t worker() const noexcept { return worker_; }

  // ---- in a worker

  /// Writes a buffer; none if it is small, or cannot be written here: then it has to go another way.
  [[nodiscard]] std::optional<place> append(const void* from, std::size_t size) noexcept;
  /// How much has been written; rewind() takes back what came after, before anybody was told.
  [[nodiscard]] std::uint64_t used() const noexcept { return used_; }
  void rewind(std::uint64_t used) noexcept { used_ = used; }

  // ---- in the caller, when no worker is left

  /// Where a buffer lies, mapped; none if there is no room for a mapping. Throws bad_encoding if no such bytes were
  /// written.
  [[nodiscard]] std::optional<slice> map(const place& where);
  /// Copies a buffer's bytes; false if they cannot be had. The place has gone through map().
  [[nodiscard]] bool read(const place& where, void* into) const noexcept;

 private:
  static constexpr std::uint64_t region_size = std::uint64_t{1} << 40;
  static constexpr std::uint64_t most_workers = std::uint64_t{1} << 22;  // so that every offset is an off_t

  [[nodiscard]] bool is_open() const noexcept;
  void punch(std::uint64_t begin, std::uint64_t end) const noexcept;
  // The end of what was written from `begin` on.
  [[nodiscard]] std::uint64_t end_of_data(std::uint64_t begin) const;

  struct region {
    std::shared_ptr<mapped_region> mapped;      // null if it cannot be
    std::map<std::size_t, std::size_t> slices;  // by their places: sizes
    std::size_t size;
  };

  int file_;
  dev_t device_{};
  ino_t inode_{};
  std::uint64_t worker_{};
  std::uint64_t used_{};
  std::map<std::uint64_t, region> regions_;
  std::optional<fork_counter::map> running_{std::in_place};
};

}  // namespace parmap::python
