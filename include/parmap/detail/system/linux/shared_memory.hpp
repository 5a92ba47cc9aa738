// SPDX-License-Identifier: MIT
// shared_memory: memory that workers share with the process that made it; anonymous, or a file in memory.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class file_descriptor;

// Zeroed memory without swap reservation (a large sparse one costs only its page tables), excluded from core dumps,
// never visible in /dev/shm. An unmapped page on either side
// catches an overrun of an adjacent array.
class shared_memory {
 public:
  shared_memory() = default;
  // Throws std::system_error (not_enough_memory if there is no room).
  explicit shared_memory(std::size_t bytes);
  // Maps the beginning of a file.
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
  [[nodiscard]] void* at(std::size_t offset) const noexcept { return bytes() + offset; }

  // Children that are forked from now on do not inherit this memory: their stores fault instead of changing it. False,
  // with errno, if that is refused.
  [[nodiscard]] bool keep_from_children() const noexcept;
  // They do inherit it, as at first. False, with errno, if that is refused.
  [[nodiscard]] bool give_to_children() const noexcept;
  // Makes the memory read-only in this process. Throws std::system_error.
  void seal() const;

 private:
  // With the unmapped pages.
  [[nodiscard]] std::size_t reserved() const noexcept;
  PARMAP_API void unmap() const noexcept;
  [[noreturn]] void refused() const;

  void* data_{};
  std::size_t size_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/linux/shared_memory.inl.hpp>
#endif
