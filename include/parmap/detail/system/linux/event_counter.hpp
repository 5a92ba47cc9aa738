// SPDX-License-Identifier: MIT
// event_counter: an eventfd, by which any process that has inherited it wakes one that sleeps in poll.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/file_descriptor.hpp>

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/types.h>
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
  // What wake() takes.
  [[nodiscard]] int waker() const noexcept { return descriptor(); }
  // Whether it is readable now.
  static bool wake(int descriptor) noexcept {
    const std::uint64_t one = 1;
    return ::write(descriptor, &one, sizeof one) == sizeof one || errno == EAGAIN;
  }
  void clear() const noexcept {
    std::uint64_t count = 0;
    static_cast<void>(::read(file_.get(), &count, sizeof count) < 0);
  }

 private:
  file_descriptor file_;
};

// How a worker wakes by an event_counter, although a task may have closed its descriptor, and may have another file
// there.
class event_sender {
 public:
  // Before the first task. `descriptor`: -1: nobody is to be woken.
  explicit event_sender(int descriptor) noexcept : descriptor_(descriptor) {
    if (descriptor >= 0) file_ = look();
  }
  // False if nobody can be woken.
  [[nodiscard]] bool wake() const noexcept {
    if (descriptor_ < 0) return true;
    return look() == file_ && event_counter::wake(descriptor_);
  }

 private:
  struct identity {
    dev_t device{};
    ino_t number{};
    bool is_open{};

    friend bool operator==(const identity&, const identity&) = default;
  };
  [[nodiscard]] identity look() const noexcept {
    struct stat about{};
    if (::fstat(descriptor_, &about) != 0) return {};
    return {about.st_dev, about.st_ino, true};
  }

  int descriptor_;
  identity file_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
