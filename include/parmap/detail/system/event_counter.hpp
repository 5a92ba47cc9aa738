// SPDX-License-Identifier: MIT
// event_counter: an eventfd, by which any process that has inherited it wakes one that sleeps in poll.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/file_descriptor.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace parmap::inline PARMAP_ABI::detail {

class event_counter {
 public:
  // Throws std::system_error if there is no descriptor left.
  event_counter() : file_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (file_.get() < 0) throw std::system_error(errno, std::generic_category(), "parmap: cannot make an eventfd");
  }

  // Readable for poll until clear() is called.
  [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
  // A descriptor that a task has closed makes no difference here: nobody is woken.
  static void wake(int descriptor) noexcept {
    const std::uint64_t one = 1;
    static_cast<void>(::write(descriptor, &one, sizeof one) < 0);
  }
  void clear() const noexcept {
    std::uint64_t count = 0;
    static_cast<void>(::read(file_.get(), &count, sizeof count) < 0);
  }

 private:
  file_descriptor file_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
