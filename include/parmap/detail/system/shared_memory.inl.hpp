// SPDX-License-Identifier: MIT
// The bodies of shared_memory.hpp.
#pragma once

#include <parmap/detail/system/file_descriptor.hpp>
#include <parmap/detail/system/fork_generation.hpp>
#include <parmap/detail/system/page_size.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <poll.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

// Between fork and the calls that tell what a child inherits. The word is the fork_generation() whose process holds it,
// plus one; 0: nobody does. A process that somebody else forks meanwhile finds the number of another generation, which
// holds nothing there.
PARMAP_INLINE std::atomic<std::uint64_t>& inheritance_holder() noexcept {
  static std::atomic<std::uint64_t> generation{0};
  return generation;
}

PARMAP_INLINE inheritance_lock::inheritance_lock() noexcept {
  const std::uint64_t mine = fork_generation() + 1;
  for (std::uint64_t seen = inheritance_holder().load(std::memory_order_relaxed);;) {
    if (seen == mine) {
      static_cast<void>(::poll(nullptr, 0, 1));  // as long as a fork takes
      seen = inheritance_holder().load(std::memory_order_relaxed);
    } else if (inheritance_holder().compare_exchange_weak(seen, mine, std::memory_order_acquire)) {
      break;
    }
  }
}

PARMAP_INLINE inheritance_lock::~inheritance_lock() { inheritance_holder().store(0, std::memory_order_release); }

PARMAP_INLINE shared_memory::shared_memory(std::size_t bytes) : shared_memory(bytes, file_descriptor()) {}

PARMAP_INLINE shared_memory::shared_memory(std::size_t bytes, const file_descriptor& file) : size_(bytes) {
  if (bytes == 0) return;
  void* const around = ::mmap(nullptr, reserved(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (around == MAP_FAILED) refused();
  data_ = static_cast<std::byte*>(around) + page_size();
  const int kind = file.get() < 0 ? MAP_ANONYMOUS : 0;
  const inheritance_lock no_fork_meanwhile;
  if (::mmap(data_, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | kind | MAP_NORESERVE | MAP_FIXED, file.get(), 0) ==
      MAP_FAILED) {
    const int error = errno;
    unmap();
    errno = error;
    refused();
  }
  withheld_ = keep_from_children();
  static_cast<void>(::madvise(data_, size_, MADV_DONTDUMP));  // a failure only enlarges core dumps
}

PARMAP_INLINE std::size_t shared_memory::reserved() const noexcept { return round_up_to_page(size_) + 2 * page_size(); }

PARMAP_INLINE bool shared_memory::keep_from_children() const noexcept {
  return data_ == nullptr || ::madvise(data_, size_, MADV_DONTFORK) == 0;
}

PARMAP_INLINE bool shared_memory::give_to_children() const noexcept {
  return !withheld_ || ::madvise(data_, size_, MADV_DOFORK) == 0;
}

PARMAP_INLINE void shared_memory::seal() const {
  if (data_ == nullptr) return;
  if (::mprotect(data_, size_, PROT_READ) != 0 || !give_to_children())
    throw std::system_error(errno, std::generic_category(), "parmap: mprotect(PROT_READ), madvise(MADV_DOFORK)");
}

PARMAP_INLINE inheritance::inheritance(std::span<const shared_memory* const> memory) : memory_(memory) {
  for (const shared_memory* const each : memory_)
    if (!each->give_to_children()) {
      const int error = errno;
      take_back();
      throw std::system_error(error, std::generic_category(), "parmap: madvise(MADV_DOFORK)");
    }
}

PARMAP_INLINE inheritance::~inheritance() { take_back(); }

PARMAP_INLINE void inheritance::take_back() const noexcept {
  for (const shared_memory* const each : memory_) static_cast<void>(each->keep_from_children());
}

PARMAP_INLINE void shared_memory::unmap() const noexcept { ::munmap(bytes() - page_size(), reserved()); }

PARMAP_INLINE void shared_memory::refused() const {
  throw std::system_error(errno, std::generic_category(),
                          "parmap: mmap of " + std::to_string(size_) +
                              " bytes of shared memory (MAP_SHARED, MAP_NORESERVE; is address space limited by "
                              "ulimit -v?)");
}

}  // namespace parmap::inline PARMAP_ABI::detail
