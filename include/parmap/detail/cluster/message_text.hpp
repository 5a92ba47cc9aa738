// SPDX-License-Identifier: MIT
// message_writer and message_reader: the numbers and texts in a message between ranks.
#pragma once

#include <parmap/detail/cluster/rank_link.hpp>
#include <parmap/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// All ranks run the same program on the same kind of machine, so numbers travel as they lie in memory.
class message_writer {
 public:
  void put(std::uint64_t number) { write(&number, sizeof number); }
  void put(std::string_view text) {
    put(std::uint64_t{text.size()});
    write(text.data(), text.size());
  }
  void write(const void* from, std::size_t size) {
    const auto* const first = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), first, first + size);
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  // Leaves nothing.
  [[nodiscard]] message_bytes take() noexcept { return std::exchange(bytes_, {}); }

 private:
  message_bytes bytes_;
};

class message_reader {
 public:
  explicit message_reader(const message_bytes& of) noexcept : at_(of.data()), left_(of.size()) {}

  [[nodiscard]] std::uint64_t number() {
    std::uint64_t value = 0;
    std::memcpy(&value, read(sizeof value), sizeof value);
    return value;
  }
  [[nodiscard]] std::string text() {
    const std::uint64_t size = number();
    if (size > left_) throw_short();
    return {reinterpret_cast<const char*>(read(size)), size};
  }
  [[nodiscard]] const std::byte* read(std::size_t size) {
    if (size > left_) throw_short();
    left_ -= size;
    return std::exchange(at_, at_ + size);
  }
  [[nodiscard]] std::size_t left() const noexcept { return left_; }
  // What follows the message's head, its first two numbers.
  [[nodiscard]] message_reader body() const {
    message_reader rest = *this;
    static_cast<void>(rest.read(2 * sizeof(std::uint64_t)));
    return rest;
  }

 private:
  [[noreturn]] static void throw_short() {
    throw std::runtime_error("parmap: a message between ranks is shorter than it says; do all ranks run one program?");
  }

  const std::byte* at_;
  std::size_t left_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
