// SPDX-License-Identifier: MIT
// Memory that workers share with the process that made it: anonymous, or a file in memory.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class file_descriptor;

// Zeroed, without swap reservation (a large sparse one costs its page tables only), left out of core dumps, never
// visible in /dev/shm. An unmapped page on either side: what runs past the end of an array beside it faults.
class shared_memory {
 public:
  shared_memory() = default;
  // Throws std::system_error (not_enough_memory where there is no room).
  explicit shared_memory(std::size_t bytes);
  // The beginning of a file.
  shared_memory(std::size_t bytes, const file_descriptor& file);
  shared_memory(shared_memory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  shared_memory& operator=(shared_memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~shared_memory() {
    if (data_ != nullptr) unmap();
  }

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::byte* bytes() const noexcept { return static_cast<std::byte*>(data_); }

  // Children of the calling process will not have this memory: a store of theirs faults instead of reaching ours.
  // False, with errno, if that is refused.
  [[nodiscard]] bool keep_from_children() const noexcept;
  // From now on nobody in this process writes here. Throws std::system_error.
  void seal() const;

 private:
  static constexpr std::size_t page = 4096;

  [[nodiscard]] std::size_t reserved() const noexcept { return (size_ + page - 1) / page * page + 2 * page; }
  PARMAP_API void unmap() const noexcept;
  [[noreturn]] void refused() const;

  void* data_{};
  std::size_t size_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/shared_memory.inl.hpp>
#endif
