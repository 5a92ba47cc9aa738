// SPDX-License-Identifier: MIT
// The workers' arenas: what does not fit into a slot. Bump-allocated by their worker, read by the supervisor.
#pragma once

#include <parmap/detail/bytes.hpp>
#include <parmap/detail/ledger.hpp>
#include <parmap/detail/shared_memory.hpp>
#include <parmap/detail/step.hpp>
#include <parmap/failure.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parmap::detail {

// Where the bytes of an encoded result are, counted from the beginning of the mapping.
struct encoded_slot {
  std::uint64_t offset;
  std::uint64_t size;
};

// One arena for each worker, equally large, at [begin, end) of the mapping. The failures of a worker are chained in its
// arena, the newest first; a record counts once head says so. Everything is checked as it is read: a task may have
// written over it.
class record_book {
 public:
  record_book(const shared_memory& memory, const ledger& book, std::size_t begin, std::size_t end, std::uint64_t tasks)
      : memory_(memory),
        book_(book),
        begin_(begin),
        each_((end - begin) / book.workers() / page * page),
        tasks_(tasks) {
    for (unsigned w = 0; w < book.workers(); ++w) book.of(w).top.set(arena_begin(w));
  }

  // ---- by worker w

  // Room for bytes at the end of w's arena; they count once committed.
  [[nodiscard]] byte_writer append(unsigned w) const noexcept {
    return {memory_.bytes() + aligned_top(w), memory_.bytes() + arena_begin(w) + each_};
  }
  // What was written to append(w) stays.
  encoded_slot commit(unsigned w, const byte_writer& written) const noexcept {
    const encoded_slot at{aligned_top(w), written.written()};
    book_.of(w).top.set(at.offset + at.size);
    return at;
  }
  // Makes a failure known; false if there is no room for it. A message may be cut.
  bool publish(unsigned w, std::uint64_t index, failure_kind kind, unsigned attempts,
               std::string_view message) const noexcept {
    const std::size_t at = aligned_top(w);
    const std::size_t room = arena_begin(w) + each_ - at;
    if (room < sizeof(record)) return false;
    const std::size_t size = std::min({message.size(), room - sizeof(record), longest_message});
    const record head{book_.of(w).head.get(), index, static_cast<std::uint32_t>(kind), attempts, size};
    std::memcpy(memory_.bytes() + at, &head, sizeof head);
    if (size > 0) std::memcpy(memory_.bytes() + at + sizeof head, message.data(), size);
    step("record", moment::after);
    book_.of(w).top.set(at + sizeof head + size);  // before head: a successor must not write over a published record
    book_.of(w).head.set(at);
    return true;
  }

  // ---- by the supervisor

  // The index of the newest failure of w, if it has any.
  [[nodiscard]] std::optional<std::uint64_t> newest(unsigned w) const noexcept {
    const auto found = read(w, book_.of(w).head.get());
    return found ? std::optional(found->index) : std::nullopt;
  }
  // All failures of w. No worker is alive.
  void collect(unsigned w, std::vector<std::pair<failure, std::uint64_t>>& into) const {
    for (std::uint64_t at = book_.of(w).head.get(); at != 0;) {
      const auto found = read(w, at);
      if (!found) return;
      into.emplace_back(
          failure{found->index, static_cast<failure_kind>(found->kind),
                  std::string(reinterpret_cast<const char*>(memory_.bytes() + at + sizeof(record)), found->size),
                  found->attempts, nullptr},
          1);
      at = found->previous < at ? found->previous : 0;  // a chain that turns back has been written over
    }
  }
  // The bytes of an encoded result, if they lie within an arena.
  [[nodiscard]] std::optional<byte_reader> read_encoded(encoded_slot at) const noexcept {
    if (at.offset < begin_ || at.offset > memory_.size() || at.size > memory_.size() - at.offset) return std::nullopt;
    return byte_reader(memory_.bytes() + at.offset, at.size);
  }

 private:
  static constexpr std::size_t page = 4096;
  static constexpr std::size_t alignment = 16;
  static constexpr std::size_t longest_message = 64 << 10;

  struct record {
    std::uint64_t previous;
    std::uint64_t index;
    std::uint32_t kind;
    std::uint32_t attempts;
    std::uint64_t size;
  };

  [[nodiscard]] std::size_t arena_begin(unsigned w) const noexcept { return begin_ + w * each_; }
  [[nodiscard]] std::size_t aligned_top(unsigned w) const noexcept {
    return (book_.of(w).top.get() + alignment - 1) / alignment * alignment;
  }
  [[nodiscard]] std::optional<record> read(unsigned w, std::uint64_t at) const noexcept {
    const std::uint64_t end = arena_begin(w) + each_;
    if (at < arena_begin(w) || at % alignment != 0 || at > end - sizeof(record)) return std::nullopt;
    record found{};
    std::memcpy(&found, memory_.bytes() + at, sizeof found);
    if (found.index >= tasks_ || found.size > end - at - sizeof found ||
        found.kind > static_cast<std::uint32_t>(failure_kind::stopped))
      return std::nullopt;
    return found;
  }

  const shared_memory& memory_;
  const ledger& book_;
  std::size_t begin_;
  std::size_t each_;
  std::uint64_t tasks_;
};

}  // namespace parmap::detail
