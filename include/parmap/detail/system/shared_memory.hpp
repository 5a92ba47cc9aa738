// SPDX-License-Identifier: MIT
// shared_memory: memory that workers share with the process that made it; anonymous, or a file in memory.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class file_descriptor;

// Zeroed memory without swap reservation (a large sparse one costs only its page tables), excluded from core dumps,
// never visible in /dev/shm, and not inherited by children until that is asked for. An unmapped page on either side
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
        size_(std::exchange(other.size_, 0)),
        withheld_(other.withheld_) {}
  shared_memory& operator=(shared_memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(withheld_, other.withheld_);
    return *this;
  }
  ~shared_memory() {
    if (data_ != nullptr) unmap();
  }

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::byte* bytes() const noexcept { return static_cast<std::byte*>(data_); }

  // Children that are forked from now on do not inherit this memory: their stores fault instead of changing it. False,
  // with errno, if that is refused.
  [[nodiscard]] bool keep_from_children() const noexcept;
  // They do inherit it. False, with errno, if that is refused.
  [[nodiscard]] bool give_to_children() const noexcept;
  // Makes the memory read-only in this process, and gives it to children. Throws std::system_error.
  void seal() const;

 private:
  // With the unmapped pages.
  [[nodiscard]] std::size_t reserved() const noexcept;
  PARMAP_API void unmap() const noexcept;
  [[noreturn]] void refused() const;

  void* data_{};
  std::size_t size_{};
  bool withheld_{};  // from children, when it was made; a sandbox may have refused that
};

// Held while a child of a map is forked or memory is made, so that no worker inherits the memory of another map.
class inheritance_lock {
 public:
  inheritance_lock() noexcept;
  inheritance_lock(const inheritance_lock&) = delete;
  inheritance_lock& operator=(const inheritance_lock&) = delete;
  ~inheritance_lock();
};

// Gives memory to the one child that is forked during its lifetime.
class inheritance {
 public:
  // Throws std::system_error.
  explicit inheritance(std::span<const shared_memory* const> memory);
  inheritance(const inheritance&) = delete;
  inheritance& operator=(const inheritance&) = delete;
  ~inheritance();

 private:
  void take_back() const noexcept;

  inheritance_lock lock_;
  std::span<const shared_memory* const> memory_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/system/shared_memory.inl.hpp>
#endif
