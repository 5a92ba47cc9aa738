// SPDX-License-Identifier: MIT
// Counters that the workers and the test share.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <system_error>

// One page of counters, initially zero.
class shared_counters {
 public:
  shared_counters() {
    void* const page = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    at_ = static_cast<std::atomic<int>*>(page);
  }
  shared_counters(const shared_counters&) = delete;
  shared_counters& operator=(const shared_counters&) = delete;
  ~shared_counters() { ::munmap(at_, bytes); }

  std::atomic<int>& operator[](std::size_t k) const { return at_[k]; }

 private:
  static constexpr std::size_t bytes = 4096;

  std::atomic<int>* at_{};
};
