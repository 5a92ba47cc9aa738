// SPDX-License-Identifier: MIT
// Short encoded results, which lie in their slot: what was written is read, and anything else is refused.
#include "property.hpp"

#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/parmap.hpp>

#include <gtest/gtest.h>

#include <rapidcheck.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

namespace {

using parmap::detail::encoded_slot;

// Returns the bytes of a copy of the slot. They lie in the copy itself.
std::optional<std::vector<std::byte>> read(const encoded_slot& slot, std::uint64_t task) {
  auto bytes = slot.read_short(task);
  if (!bytes) return std::nullopt;
  const std::size_t size = bytes->left();
  const std::byte* const from = bytes->read(size);
  return std::vector<std::byte>(from, from + size);
}

std::vector<std::byte> any_bytes(std::size_t size) {
  const auto numbers = *rc::gen::container<std::vector<std::uint8_t>>(size, rc::gen::arbitrary<std::uint8_t>());
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), numbers.data(), size);
  return bytes;
}

// Calls `check` with a slot of every size that fits into one.
template <class Check>
void for_each_size(const Check& check) {
  check_property([&check] {
    const auto task = *rc::gen::arbitrary<std::uint64_t>();
    for (std::size_t size = 0; size <= encoded_slot::longest_short; ++size) {
      const std::vector<std::byte> bytes = any_bytes(size);
      check(encoded_slot::of_short(bytes.data(), size, task), bytes, task);
    }
  });
}

TEST(encoded_slot, what_is_written_is_read) {
  for_each_size([](const encoded_slot& slot, const std::vector<std::byte>& bytes, std::uint64_t task) {
    RC_ASSERT(slot.is_short());
    RC_ASSERT(read(slot, task) == bytes);
  });
}

TEST(encoded_slot, any_flipped_bit_is_noticed) {
  for_each_size([](const encoded_slot& slot, const std::vector<std::byte>&, std::uint64_t task) {
    for (std::size_t bit = 0; bit < 8 * sizeof slot; ++bit) {
      std::array<std::byte, sizeof slot> raw{};
      std::memcpy(raw.data(), &slot, sizeof slot);
      raw.at(bit / 8) ^= std::byte{1} << bit % 8;
      encoded_slot flipped{};
      std::memcpy(&flipped, raw.data(), sizeof flipped);
      RC_ASSERT(!flipped.is_short() || !read(flipped, task));
    }
  });
}

TEST(encoded_slot, that_of_another_task_is_refused) {
  for_each_size([](const encoded_slot& slot, const std::vector<std::byte>&, std::uint64_t task) {
    RC_ASSERT(!read(slot, task + 1));
    RC_ASSERT(!read(slot, task - 1));
    RC_ASSERT(!read(slot, task ^ *rc::gen::distinctFrom(std::uint64_t{0})));
  });
}

TEST(encoded_slot, one_that_nobody_wrote_or_of_an_arena_is_not_short) {
  EXPECT_FALSE(encoded_slot{}.is_short());
  const std::array<std::byte, 17> bytes{};
  EXPECT_FALSE(encoded_slot::in_arena(4096, bytes.data(), bytes.size(), 0).is_short());
}

// The length of a string takes 8 bytes, so a string of 8 characters is the longest that lies in its slot.
TEST(encoded_slot, strings_around_the_border_arrive_whole) {
  constexpr std::array<std::size_t, 6> lengths{0, 1, 7, 8, 9, 100};
  const auto text = [&lengths](std::size_t i) {
    const char letter = static_cast<char>('a' + i % 26);
    return std::string(lengths.at(i % lengths.size()), letter);
  };
  std::vector<std::size_t> indices(1000);
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = i;
  for (const unsigned workers : {1U, 3U}) {
    const auto all = parmap::map(text, indices, {.workers = workers});
    ASSERT_TRUE(all.ok()) << all.failures()[0];
    for (const std::size_t i : indices) EXPECT_EQ(all[i], text(i));
  }
}

}  // namespace
