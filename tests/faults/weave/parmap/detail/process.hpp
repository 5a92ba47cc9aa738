// SPDX-License-Identifier: MIT
// In place of the library's: no processes; what worker.hpp asks of that header.
#pragma once

#include <signal.h>
#include <unistd.h>

namespace parmap::detail {

// Of a function that is not called here.
class file_descriptor {
 public:
  explicit file_descriptor(int number) noexcept : number_(number) {}
  file_descriptor(const file_descriptor&) = delete;
  file_descriptor& operator=(const file_descriptor&) = delete;
  ~file_descriptor() { ::close(number_); }
  [[nodiscard]] int get() const noexcept { return number_; }

 private:
  int number_;
};

inline void flush_standard_streams() noexcept {}

}  // namespace parmap::detail
