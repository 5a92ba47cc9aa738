// SPDX-License-Identifier: MIT
// Stores large buffers of results, such as the elements of arrays, in a file in memory. A worker writes each buffer
// once, and the caller maps it where it lies. README.md beside this file says who owns what.
#pragma once

#include "fork_counter.hpp"

#include <parmap/detail/system/fork_generation.hpp>

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace parmap::python {

/// The buffers of a stream that are in use, or that a forked process may use: sizes, by offset in its file.
struct live_buffers {
  std::mutex mutex;
  std::map<std::uint64_t, std::size_t> sizes;  // guarded by it
};

/// What one worker has written, mapped privately: a store by this process, or by one that inherits the mapping, is not
/// visible to any other. Unmapped with its last owner. Any thread may call it.
class mapped_region {
 public:
  /// Maps bytes [begin, begin + size) of the file. Throws std::bad_alloc if that is refused. `live`: for the one buffer
  /// of a stream, which is given back before the stream ends.
  mapped_region(int file, std::uint64_t begin, std::size_t size, std::shared_ptr<live_buffers> live = nullptr);
  mapped_region(const mapped_region&) = delete;
  mapped_region& operator=(const mapped_region&) = delete;
  ~mapped_region();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Says that these bytes will not be read again. They start at a page and own the rest of their last page. Their
  /// memory is released: at once if possible; later if workers may read what they inherited; only with the region if
  /// another process has inherited it.
  void discard(std::size_t at, std::size_t size);
  /// Releases what had to wait for workers. Returns whether it still has to.
  bool settle() noexcept;
  [[nodiscard]] bool is_of_stream() const noexcept { return live_ != nullptr; }

 private:
  std::byte* data_;
  std::byte* alias_;  // shared, never touched: the kernel removes pages of the file only through such a mapping
  std::size_t size_;
  std::mutex mutex_;
  std::vector<std::pair<std::size_t, std::size_t>> discarded_;  // guarded by it
  std::uint64_t forks_{fork_counter::count()};
  std::uint64_t since_{fork_counter::moment()};
  std::uint64_t generation_{detail::fork_generation()};
  std::uint64_t begin_;
  std::shared_ptr<live_buffers> live_;
  bool is_released_{};
};

/// Bytes within a region.
struct slice {
  std::shared_ptr<mapped_region> region;
  std::size_t at;
  std::size_t size;

  [[nodiscard]] std::byte* data() const noexcept { return region->data() + at; }
};

/// Says that the last view of it is gone.
void give_back(slice&& bytes);

/// The file of one map. Each worker process has its own region of it, in which buffers start at whole pages.
class large_buffer_file {
 public:
  /// Smaller buffers are cheaper to copy than to map, and would waste most of a page.
  static constexpr std::size_t smallest = std::size_t{64} << 10;

  struct place {
    std::uint64_t offset;
    std::uint64_t size;
  };

  enum class owner { map, stream, nobody };
  /// In the caller, before the first fork. If the file cannot be created, append() refuses. That of nobody has none.
  explicit large_buffer_file(owner of = owner::map);
  /// In a worker that is a program of its own: takes the caller's file(), and the caller's worker() at its start.
  large_buffer_file(int file, std::uint64_t worker) noexcept;
  large_buffer_file(const large_buffer_file&) = delete;
  large_buffer_file& operator=(const large_buffer_file&) = delete;
  /// In the caller, when no worker is left: releases all memory except that of slices in use.
  ~large_buffer_file();

  /// In the caller, before each fork: the next worker gets the next region.
  void next_worker() noexcept {
    ++worker_;
    used_ = 0;
  }
  [[nodiscard]] int file() const noexcept { return file_; }
  [[nodiscard]] std::uint64_t worker() const noexcept { return worker_; }

  // ---- Called in a worker.

  /// Writes a buffer. Returns nothing if the buffer is small or cannot be written here: then it must be pickled.
  [[nodiscard]] std::optional<place> append(const void* from, std::size_t size) noexcept;
  /// How much has been written. rewind() takes back what was written later and is not yet referred to.
  [[nodiscard]] std::uint64_t used() const noexcept { return used_; }
  void rewind(std::uint64_t used) noexcept { used_ = used; }

  // ---- Called in the caller, when no worker is left; of a stream, while workers run.

  /// Maps a buffer. Returns nothing if there is no room for a mapping. Throws bad_encoding if no worker wrote such
  /// bytes.
  [[nodiscard]] std::optional<slice> map(const place& where);
  /// Copies a buffer's bytes. Returns false if they cannot be read. map() must have accepted the place.
  [[nodiscard]] bool read(const place& where, void* into) const noexcept;
  /// The bytes of all buffers for which map() was called.
  [[nodiscard]] std::uint64_t mapped() const noexcept { return mapped_; }

 private:
  static constexpr std::uint64_t region_size = std::uint64_t{1} << 40;
  static constexpr std::uint64_t most_workers = std::uint64_t{1} << 22;  // so that every offset is an off_t

  [[nodiscard]] std::optional<slice> map_of_stream(const place& where);
  [[nodiscard]] bool is_open() const noexcept;
  void punch(std::uint64_t begin, std::uint64_t end) const noexcept;
  // Returns the end of what was written from `begin` on.
  [[nodiscard]] std::uint64_t end_of_data(std::uint64_t begin) const;

  struct region {
    std::shared_ptr<mapped_region> mapped;      // null if it cannot be mapped
    std::map<std::size_t, std::size_t> slices;  // sizes, by offset in the region
    std::size_t size;
  };

  int file_;
  dev_t device_{};
  ino_t inode_{};
  std::uint64_t worker_{};
  std::uint64_t used_{};
  std::map<std::uint64_t, region> regions_;
  std::uint64_t mapped_{};
  std::optional<fork_counter::map> running_;
  std::shared_ptr<live_buffers> live_;  // of a stream
};

}  // namespace parmap::python
