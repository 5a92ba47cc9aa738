// SPDX-License-Identifier: MIT
// worker_arenas: the memory for what does not fit into slots, bump-allocated by its worker and read by the supervisor.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/checksum.hpp>
#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/detail/processes/arena_writer.hpp>
#include <parmap/detail/processes/attempt_span.hpp>
#include <parmap/detail/processes/claim_ledger.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/system/give_back.hpp>
#include <parmap/detail/system/page_size.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/failure.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Whether to initialise the words of the arenas, or keep those that another process has initialised.
enum class words { fresh, kept };

// One arena per worker, of equal size, in [begin, end) of the mapping. The failure records of a worker form a list in
// its arena, newest first; a record counts once `head` refers to it. All data carries a check that is verified on
// reading, as a task may have written over it.
class worker_arenas {
 public:
  worker_arenas(const shared_memory& memory, const claim_ledger& book, std::size_t begin, std::size_t end,
                std::uint64_t tasks, words are = words::fresh)
      : memory_(memory),
        book_(book),
        begin_((begin + alignment - 1) / alignment * alignment),
        each_(round_down_to_page((end - begin_) / book_.workers())),
        tasks_(tasks) {
    if (are == words::kept) return;
    for (unsigned w = 0; w < book_.workers(); ++w) {
      book.of(w).top.set(arena_begin(w));
      book.of(w).head.set(no_record);
      if (book.streams()) book.of(w).told.set(no_record);
    }
  }

  // ---- by worker w

  [[nodiscard]] arena_writer writer(unsigned w) const noexcept {
    return {memory_.bytes(), book_.of(w), arena_begin(w), arena_end(w)};
  }
  // Publishes a failure; false if there is no room for it. The message is cut to 16 MiB, and to the room there is.
  bool publish(unsigned w, std::uint64_t index, failure_kind kind, unsigned attempts, std::string_view message,
               attempt_span when = {}) const noexcept {
    std::uint64_t previous = book_.of(w).head.get();
    if (book_.streams() && previous != no_record && previous == book_.of(w).told.get()) {
      // The supervisor has read them all. The new ones begin in the other half, so that `head` shows something else.
      const std::size_t half = arena_begin(w) + each_ / 2 / alignment * alignment;
      book_.of(w).top.set(previous < half ? half : arena_begin(w));
      previous = no_record;
    }
    std::size_t at = writer(w).aligned_top().value_or(arena_end(w));
    // `head` must not show what the supervisor takes for read.
    if (book_.streams() && at == book_.of(w).told.get()) at = std::min(at + alignment, arena_end(w));
    const std::size_t room = arena_end(w) - at;
    if (room < sizeof(record)) return false;
    const std::size_t size = std::min({message.size(), room - sizeof(record), longest_message});
    record head{previous, index, static_cast<std::uint32_t>(kind), attempts, when, size, 0};
    std::byte* const text = memory_.bytes() + at + sizeof head;
    if (size > 0) std::memcpy(text, message.data(), size);
    head.check = check_of(head, at, text);
    std::memcpy(memory_.bytes() + at, &head, sizeof head);
    step("record", moment::after);
    book_.of(w).top.set(at + sizeof head + size);  // before head: a successor must not write over a published record
    book_.of(w).head.set(at);
    return true;
  }

  // ---- by the supervisor

  // Whether the newest failure of w is that of this attempt of this task.
  [[nodiscard]] bool newest_is(unsigned w, std::uint64_t index, unsigned attempt) const noexcept {
    const auto found = read(w, book_.of(w).head.get());
    return found && found->index == index && found->attempts == attempt;
  }
  // Calls visit(failure) for all failures of w, the newest first. No worker is alive. Throws std::runtime_error if a
  // record was written over, as its task is then unknown.
  template <class Visit>
  void for_each_failure(unsigned w, Visit&& visit) const {
    if (!writer(w).aligned_top()) throw_overwritten("the record of a failure is lost");
    walk(w, book_.of(w).head.get(), no_record, visit);
  }
  // Calls visit(failure), or visit(failure, attempt_span), for those that w has published since the last call for it; w
  // may be alive. `seen`: the caller keeps it, and begins with nothing_seen.
  template <class Visit>
  void for_each_new_failure(unsigned w, std::uint64_t& seen, Visit&& visit) const {
    const std::uint64_t newest = book_.of(w).head.get();
    if (newest == seen) return;
    walk(w, newest, seen, visit);
    seen = newest;
    if (book_.streams()) book_.of(w).told.set(newest);
  }
  static constexpr std::uint64_t nothing_seen = ~std::uint64_t{0};
  // The bytes of a task's encoded result. Throws bad_encoding unless they are as they were committed.
  [[nodiscard]] byte_reader read_encoded(const encoded_slot& at, std::uint64_t task) const {
    if (at.is_short()) {
      if (const auto bytes = at.read_short(task)) return *bytes;
    } else if (at.offset >= begin_ && at.offset < begin_ + each_ * book_.workers()) {
      const auto w = static_cast<unsigned>((at.offset - begin_) / each_);
      // Not beyond `top`: reading pages that were never written would cost memory.
      const std::uint64_t end = std::min<std::uint64_t>(book_.of(w).top.get(), arena_end(w));
      const std::byte* from = memory_.bytes() + at.offset;
      const std::uint64_t size = at.bytes_in_arena();
      const std::size_t behind = at.is_retried() ? sizeof(std::uint32_t) : 0;
      if (at.offset <= end && size <= end - at.offset && size >= behind && at.fits_check(from, task))
        return byte_reader(from, size - behind);
    }
    throw bad_encoding(
        "its encoded bytes were written over by a task of this map that wrote to memory it does not own; run the map "
        "under parmap::serial with valgrind or -fsanitize=address to find that task");
  }

  // The value has been read: nobody reads its bytes again.
  static void drop(const byte_reader& bytes) noexcept { give_back(bytes.end() - bytes.left(), bytes.left()); }

  // How many attempts the task took whose encoded result these bytes are; read_encoded has returned `bytes`.
  [[nodiscard]] static unsigned attempts_of(const encoded_slot& at, const byte_reader& bytes) noexcept {
    std::uint32_t attempts = 1;
    if (!at.is_short() && at.is_retried()) std::memcpy(&attempts, bytes.end(), sizeof attempts);
    return attempts;
  }

 private:
  static constexpr std::size_t alignment = arena_writer::alignment;
  static constexpr std::size_t longest_message = 16 << 20;

  static constexpr std::uint64_t no_record = nothing_seen;

  struct record {
    std::uint64_t previous;  // its offset, which is lower, or no_record
    std::uint64_t index;
    std::uint32_t kind;
    std::uint32_t attempts;
    attempt_span when;    // of the last attempt
    std::uint64_t size;   // of the message, which follows the record
    std::uint64_t check;  // of all the above and the message, keyed by the offset
  };

  [[nodiscard]] std::size_t arena_begin(unsigned w) const noexcept { return begin_ + w * each_; }
  [[nodiscard]] std::size_t arena_end(unsigned w) const noexcept { return arena_begin(w) + each_; }
  [[nodiscard]] static std::uint64_t check_of(const record& it, std::uint64_t at, const std::byte* message) noexcept {
    const std::uint64_t head = checksum(reinterpret_cast<const std::byte*>(&it), offsetof(record, check), at);
    return checksum(message, it.size, head);
  }
  // From the record at `at` on to the older ones, until that at `end`.
  template <class Visit>
  void walk(unsigned w, std::uint64_t at, std::uint64_t end, Visit&& visit) const {
    while (at != end && at != no_record) {
      const auto found = read(w, at);
      if (!found) throw_overwritten("the record of a failure is lost");
      const auto* const text = reinterpret_cast<const char*>(memory_.bytes() + at + sizeof(record));
      failure why{found->index, static_cast<failure_kind>(found->kind), std::string(text, found->size), found->attempts,
                  nullptr};
      if constexpr (std::invocable<Visit&, failure&&, attempt_span>) visit(std::move(why), found->when);
      else visit(std::move(why));
      at = found->previous;
    }
  }
  [[nodiscard]] std::optional<record> read(unsigned w, std::uint64_t at) const noexcept {
    const std::uint64_t end = arena_end(w);
    if (at < arena_begin(w) || at % alignment != 0 || at > end - sizeof(record)) return std::nullopt;
    const std::byte* const from = memory_.bytes() + at;
    record found{};
    std::memcpy(&found, from, sizeof found);
    if (found.size > std::min(longest_message, end - at - sizeof found) ||
        found.check != check_of(found, at, from + sizeof found) || found.index >= tasks_ ||
        found.kind > static_cast<std::uint32_t>(failure_kind::stopped) ||
        (found.previous >= at && found.previous != no_record))
      return std::nullopt;
    return found;
  }

  const shared_memory& memory_;
  const claim_ledger& book_;
  std::size_t begin_;
  std::size_t each_;
  std::uint64_t tasks_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
