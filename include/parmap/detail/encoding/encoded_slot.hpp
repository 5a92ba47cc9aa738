// SPDX-License-Identifier: MIT
// encoded_slot: where in an arena the bytes of an encoded result are, or, if they are few, those bytes themselves.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/checksum.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// A check, keyed by the task, covers every word. A slot that was never written is zero, which is no valid offset: no
// arena begins there.
struct encoded_slot {
  std::uint64_t offset;  // in the mapping; in a short slot: a mark bit, 7 bits of size, 56 bits of check
  std::uint64_t size;    // number of bytes, and a mark bit: see is_retried; in a short slot: the first 8 bytes
  std::uint64_t check;   // of the bytes; in a short slot: the last 8 bytes, padded with zeros

  static constexpr std::size_t longest_short = 16;

  static encoded_slot in_arena(std::uint64_t offset, const std::byte* bytes, std::size_t size, std::uint64_t task,
                               bool retried = false) noexcept {
    return {offset, size | (retried ? retried_mark : 0), checksum(bytes, size, task ^ (retried ? retried_mark : 0))};
  }
  static encoded_slot of_short(const std::byte* bytes, std::size_t size, std::uint64_t task) noexcept {
    std::array<std::byte, longest_short> held{};
    std::copy_n(bytes, std::min(size, held.size()), held.begin());  // memcpy does not accept a null pointer for 0 bytes
    encoded_slot made{short_mark | std::uint64_t{size} << 56 | short_check(held.data(), size, task), 0, 0};
    std::memcpy(&made.size, held.data(), sizeof made.size);
    std::memcpy(&made.check, held.data() + sizeof made.size, sizeof made.check);
    return made;
  }

  // Whether the slot was never written.
  [[nodiscard]] bool is_blank() const noexcept { return offset == 0; }
  [[nodiscard]] bool is_short() const noexcept { return (offset & short_mark) != 0; }
  // Not short: whether the last 4 bytes are not the result's, but the number of attempts that its task took.
  [[nodiscard]] bool is_retried() const noexcept { return (size & retried_mark) != 0; }
  // Not short: the number of bytes in the arena.
  [[nodiscard]] std::uint64_t bytes_in_arena() const noexcept { return size & ~retried_mark; }
  [[nodiscard]] bool fits_check(const std::byte* bytes, std::uint64_t task) const noexcept {
    return checksum(bytes, bytes_in_arena(), task ^ (size & retried_mark)) == check;
  }
  // The bytes of a short slot, which lie in this slot; none if they do not fit the check.
  [[nodiscard]] std::optional<byte_reader> read_short(std::uint64_t task) const noexcept {
    const std::size_t count = (offset & ~short_mark) >> 56;
    const auto* const held = reinterpret_cast<const std::byte*>(this) + offsetof(encoded_slot, size);
    if (count > longest_short || (offset & check_bits) != short_check(held, count, task)) return std::nullopt;
    return byte_reader(held, count);
  }

 private:
  static constexpr std::uint64_t short_mark = std::uint64_t{1} << 63;
  static constexpr std::uint64_t retried_mark = std::uint64_t{1} << 63;
  static constexpr std::uint64_t check_bits = (std::uint64_t{1} << 56) - 1;

  static std::uint64_t short_check(const std::byte* held, std::size_t count, std::uint64_t task) noexcept {
    return checksum(held, longest_short, task ^ std::uint64_t{count} << 56) & check_bits;
  }
};
static_assert(sizeof(encoded_slot) == 24 && offsetof(encoded_slot, check) == offsetof(encoded_slot, size) + 8);

}  // namespace parmap::inline PARMAP_ABI::detail
