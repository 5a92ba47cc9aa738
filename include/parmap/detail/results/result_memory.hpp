// SPDX-License-Identifier: MIT
// result_memory: raw memory for the results of one map; on the heap, or shared with the workers that wrote it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Owns the memory of n objects of type T, not the objects.
template <class T>
class result_memory {
 public:
  result_memory() = default;
  // Throws std::bad_alloc.
  explicit result_memory(std::uint64_t n) : size_(n) {
    if (n > std::numeric_limits<std::ptrdiff_t>::max() / sizeof(T)) throw std::bad_alloc();
    first_ = std::allocator<T>().allocate(n);
  }
  // Takes over shared memory that holds n objects, starting at its beginning.
  result_memory(shared_memory memory, std::uint64_t n) noexcept
      : memory_(std::move(memory)),
        first_(static_cast<T*>(memory_.data())),
        size_(n) {}
  result_memory(result_memory&& other) noexcept
      : memory_(std::move(other.memory_)),
        first_(std::exchange(other.first_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  result_memory& operator=(result_memory&& other) noexcept {
    result_memory(std::move(other)).swap(*this);
    return *this;
  }
  ~result_memory() {
    if (first_ != nullptr && memory_.data() == nullptr) std::allocator<T>().deallocate(first_, size_);
  }

  [[nodiscard]] T* data() const noexcept { return first_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  void swap(result_memory& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(first_, other.first_);
    std::swap(size_, other.size_);
  }

  shared_memory memory_;
  T* first_{};
  std::uint64_t size_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
