// SPDX-License-Identifier: MIT
// shared_object: an object in memory that this process shares with those that it forks.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <new>
#include <system_error>

namespace parmap::python {

/// T must be fit for such memory: plain data and atomic numbers.
template <class T>
class shared_object {
 public:
  shared_object() : at_(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (at_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "parmap: mmap failed");
    ::new (at_) T;
  }
  shared_object(const shared_object&) = delete;
  shared_object& operator=(const shared_object&) = delete;
  ~shared_object() { ::munmap(at_, sizeof(T)); }

  [[nodiscard]] T& operator*() const noexcept { return *std::launder(static_cast<T*>(at_)); }
  [[nodiscard]] T* operator->() const noexcept { return &**this; }

 private:
  void* at_;
};

}  // namespace parmap::python
