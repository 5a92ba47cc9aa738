// SPDX-License-Identifier: MIT
// byte_writer and byte_reader: encoded bytes, with both ends checked.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

namespace parmap::inline PARMAP_ABI {

/// The bytes of a result are not those that its codec wrote, or not those that it reads.
class bad_encoding : public std::runtime_error {
 public:
  explicit bad_encoding(const std::string& why) : std::runtime_error("parmap: " + why) {}
};

namespace detail {

// The arena of a worker has no room left.
class arena_full : public std::bad_alloc {
 public:
  [[nodiscard]] const char* what() const noexcept override {
    return "parmap: the worker's arena for encoded results is full";
  }
};

class byte_writer {
 public:
  byte_writer(std::byte* from, std::byte* end) noexcept : from_(from), at_(from), end_(end) {}

  void write(const void* bytes, std::size_t size) {
    if (size > static_cast<std::size_t>(end_ - at_)) throw arena_full();
    if (size > 0) std::memcpy(at_, bytes, size);
    at_ += size;
  }
  [[nodiscard]] const std::byte* data() const noexcept { return from_; }
  [[nodiscard]] std::size_t written() const noexcept { return static_cast<std::size_t>(at_ - from_); }

 private:
  std::byte* from_;
  std::byte* at_;
  std::byte* end_;
};

class byte_reader {
 public:
  byte_reader(const std::byte* from, std::size_t size) noexcept : at_(from), end_(from + size) {}

  const std::byte* read(std::size_t size) {
    if (size > left()) throw bad_encoding("decode asks for more bytes than encode wrote");
    const std::byte* from = at_;
    at_ += size;
    return from;
  }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] const std::byte* end() const noexcept { return end_; }
  // Throws unless every byte has been read.
  void expect_end() const {
    if (left() > 0) throw bad_encoding("decode left " + std::to_string(left()) + " of encode's bytes unread");
  }

 private:
  const std::byte* at_;
  const std::byte* end_;
};

}  // namespace detail
}  // namespace parmap::inline PARMAP_ABI
