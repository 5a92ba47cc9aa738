// SPDX-License-Identifier: MIT
// file_descriptor: owns a file descriptor.
#pragma once

#include <parmap/detail/config.hpp>

#include <unistd.h>

#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

class file_descriptor {
 public:
  file_descriptor() = default;
  explicit file_descriptor(int fd) noexcept : fd_(fd) {}
  file_descriptor(file_descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~file_descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  // Gives it up without closing it.
  void release() noexcept { fd_ = -1; }

 private:
  int fd_{-1};
};

}  // namespace parmap::inline PARMAP_ABI::detail
