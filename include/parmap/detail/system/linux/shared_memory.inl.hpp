// SPDX-License-Identifier: MIT
// The bodies of shared_memory.hpp.
#pragma once

#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/system/linux/shared_memory.hpp>
#include <parmap/detail/system/page_size.hpp>

#include <sys/mman.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE shared_memory::shared_memory(std::size_t bytes) : shared_memory(bytes, file_descriptor()) {}

PARMAP_INLINE shared_memory::shared_memory(std::size_t bytes, const file_descriptor& file) : size_(bytes) {
  if (bytes == 0) return;
  void* const around = ::mmap(nullptr, reserved(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (around == MAP_FAILED) refused();
  data_ = static_cast<std::byte*>(around) + page_size();
  const int kind = file.get() < 0 ? MAP_ANONYMOUS : 0;
  if (::mmap(data_, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | kind | MAP_NORESERVE | MAP_FIXED, file.get(), 0) ==
      MAP_FAILED) {
    const int error = errno;
    unmap();
    errno = error;
    refused();
  }
  static_cast<void>(::madvise(data_, size_, MADV_DONTDUMP));  // a failure only enlarges core dumps
}

PARMAP_INLINE std::size_t shared_memory::reserved() const noexcept { return round_up_to_page(size_) + 2 * page_size(); }

PARMAP_INLINE bool shared_memory::keep_from_children() const noexcept {
  return data_ == nullptr || ::madvise(data_, size_, MADV_DONTFORK) == 0;
}

PARMAP_INLINE bool shared_memory::give_to_children() const noexcept {
  return data_ == nullptr || ::madvise(data_, size_, MADV_DOFORK) == 0;
}

PARMAP_INLINE void shared_memory::seal() const {
  if (data_ != nullptr && ::mprotect(data_, size_, PROT_READ) != 0)
    throw std::system_error(errno, std::generic_category(), "parmap: mprotect(PROT_READ)");
}

PARMAP_INLINE void shared_memory::unmap() const noexcept { ::munmap(bytes() - page_size(), reserved()); }

PARMAP_INLINE void shared_memory::refused() const {
  throw std::system_error(errno, std::generic_category(),
                          "parmap: cannot map " + std::to_string(size_) +
                              " bytes of shared memory (is the address space limited? see ulimit -v and "
                              "vm.overcommit_memory)");
}

}  // namespace parmap::inline PARMAP_ABI::detail
