// SPDX-License-Identifier: MIT
// event_counter on macOS: a pipe.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/file_descriptor.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

class event_counter {
 public:
  // Throws std::system_error if there is no descriptor left.
  event_counter() {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) throw std::system_error(errno, std::generic_category(), "parmap: cannot make a pipe");
    reading_ = file_descriptor(ends[0]);
    writing_ = file_descriptor(ends[1]);
    for (const int end : ends) {
      static_cast<void>(::fcntl(end, F_SETFD, FD_CLOEXEC));
      static_cast<void>(::fcntl(end, F_SETFL, O_NONBLOCK));
    }
  }

  // Readable for poll until clear() is called.
  [[nodiscard]] int descriptor() const noexcept { return reading_.get(); }
  // What wake() takes.
  [[nodiscard]] int waker() const noexcept { return writing_.get(); }
  // Whether it is readable now.
  static bool wake(int waker) noexcept {
    const char one = 1;
    return ::write(waker, &one, sizeof one) == sizeof one || errno == EAGAIN;
  }
  void clear() const noexcept {
    std::array<char, 64> read{};
    while (::read(reading_.get(), read.data(), read.size()) > 0) {
    }
  }

 private:
  file_descriptor reading_;
  file_descriptor writing_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
