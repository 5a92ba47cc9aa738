// SPDX-License-Identifier: MIT
// Memory that workers share with the process that made it: anonymous, or a file in memory.
#pragma once

#include <parmap/detail/system/file_descriptor.hpp>

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

namespace parmap::detail {

// Zeroed, without swap reservation (a large sparse one costs its page tables only), left out of core dumps, never
// visible in /dev/shm. An unmapped page on either side: what runs past the end of an array beside it faults.
class shared_memory {
 public:
  shared_memory() = default;
  // Throws std::system_error (not_enough_memory where there is no room).
  explicit shared_memory(std::size_t bytes) : shared_memory(bytes, file_descriptor()) {}
  // The beginning of a file.
  shared_memory(std::size_t bytes, const file_descriptor& file) : size_(bytes) {
    if (bytes == 0) return;
    void* const around = ::mmap(nullptr, reserved(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (around == MAP_FAILED) refused();
    data_ = static_cast<std::byte*>(around) + page;
    const int kind = file.get() < 0 ? MAP_ANONYMOUS : 0;
    if (::mmap(data_, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | kind | MAP_NORESERVE | MAP_FIXED, file.get(), 0) ==
        MAP_FAILED) {
      const int error = errno;
      unmap();
      errno = error;
      refused();
    }
    static_cast<void>(::madvise(data_, size_, MADV_DONTDUMP));  // a larger core dump harms nobody
  }
  shared_memory(shared_memory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  shared_memory& operator=(shared_memory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~shared_memory() { unmap(); }

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::byte* bytes() const noexcept { return static_cast<std::byte*>(data_); }

  // Children of the calling process will not have this memory: a store of theirs faults instead of reaching ours.
  // False, with errno, if that is refused.
  [[nodiscard]] bool keep_from_children() const noexcept {
    return data_ == nullptr || ::madvise(data_, size_, MADV_DONTFORK) == 0;
  }
  // From now on nobody in this process writes here.
  void seal() const {
    if (data_ != nullptr && ::mprotect(data_, size_, PROT_READ) != 0)
      throw std::system_error(errno, std::generic_category(), "parmap: mprotect(PROT_READ)");
  }

 private:
  static constexpr std::size_t page = 4096;

  [[nodiscard]] std::size_t reserved() const noexcept { return (size_ + page - 1) / page * page + 2 * page; }
  void unmap() const noexcept {
    if (data_ != nullptr) ::munmap(bytes() - page, reserved());
  }
  [[noreturn]] void refused() const {
    throw std::system_error(errno, std::generic_category(),
                            "parmap: mmap of " + std::to_string(size_) +
                                " bytes of shared memory (MAP_SHARED, MAP_NORESERVE; is address space limited by "
                                "ulimit -v?)");
  }

  void* data_{};
  std::size_t size_{};
};

}  // namespace parmap::detail
