// SPDX-License-Identifier: MIT
// arena_writer: appends to a worker's arena what does not fit into a slot.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/detail/processes/worker_words.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace parmap::inline PARMAP_ABI::detail {

// The arena lies at [begin, end) of the shared memory that begins at `memory`.
class arena_writer {
 public:
  static constexpr std::size_t alignment = 16;

  arena_writer(std::byte* memory, worker_words& words, std::size_t begin, std::size_t end) noexcept
      : memory_(memory),
        words_(&words),
        begin_(begin),
        end_(end) {}

  // The offset of the next bytes; none if `top` was written over.
  [[nodiscard]] std::optional<std::size_t> aligned_top() const noexcept {
    const std::uint64_t top = words_->top.get();
    if (top < begin_ || top > end_) return std::nullopt;
    return (top + alignment - 1) / alignment * alignment;
  }
  // A writer for the room at the end of the arena; its bytes count once committed. No room if `top` was written over.
  [[nodiscard]] byte_writer append() const noexcept {
    const std::optional<std::size_t> at = aligned_top();
    return {memory_ + at.value_or(end_), memory_ + end_};
  }
  // Returns the slot for the bytes that were written to append() for this task. Short bytes go into the slot, others
  // stay in the arena, and all that are followed by the number of attempts (retried).
  [[nodiscard]] encoded_slot commit(const byte_writer& written, std::uint64_t task,
                                    bool retried = false) const noexcept {
    const std::size_t size = written.written();
    if (size <= encoded_slot::longest_short && !retried) return encoded_slot::of_short(written.data(), size, task);
    const auto offset = static_cast<std::uint64_t>(written.data() - memory_);
    words_->top.set(offset + size);
    return encoded_slot::in_arena(offset, written.data(), size, task, retried);
  }

 private:
  std::byte* memory_;
  worker_words* words_;
  std::size_t begin_;
  std::size_t end_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
