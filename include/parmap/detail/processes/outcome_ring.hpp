// SPDX-License-Identifier: MIT
// outcome_ring: the way of a stream's outcomes from one process, a worker or the supervisor, to the caller.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/checksum.hpp>
#include <parmap/detail/processes/overwritten_memory.hpp>
#include <parmap/detail/processes/ring_heap.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/system/protocol_step.hpp>
#include <parmap/failure.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// One outcome, in a cache line. At most 16 bytes of a value lie in it, more in a block of the heap.
struct alignas(64) ring_cell {
  std::uint64_t task;                  // index in the stream
  std::array<std::uint64_t, 2> bytes;  // the bytes; or where they are, and how many
  std::uint64_t bytes_check;           // of bytes in the heap, keyed by the task
  std::uint64_t about;                 // kind, attempts, number of bytes: see below
  std::uint64_t extent;                // of a value: the ticks of its last attempt; of a failure: the number of tasks
  std::uint64_t check;                 // of all the above, keyed by its number in the ring

  static constexpr std::uint64_t value = 0;  // the kind of a value; that of a failure is one more than its own
  static constexpr std::uint64_t stopped = static_cast<std::uint64_t>(failure_kind::stopped) + 1;
  static constexpr std::uint64_t in_heap = 0xffff;        // as the number of bytes
  static constexpr std::uint64_t most_attempts = 0xffff;  // more count as these
  static constexpr std::size_t longest_here = 16;

  static constexpr std::uint64_t describe(std::uint64_t kind, std::uint64_t attempts) noexcept {
    return kind << 32 | std::min(attempts, most_attempts) << 16;
  }
  [[nodiscard]] std::uint64_t kind() const noexcept { return about >> 32; }
  [[nodiscard]] unsigned attempts() const noexcept { return static_cast<unsigned>(about >> 16 & most_attempts); }
  [[nodiscard]] std::uint64_t length() const noexcept { return about & 0xffff; }
  [[nodiscard]] bool is_in_heap() const noexcept { return length() == in_heap; }
  [[nodiscard]] std::uint64_t offset() const noexcept { return bytes[0]; }
  [[nodiscard]] std::uint64_t size() const noexcept { return bytes[1]; }

  // An accidental change stays undetected with probability 2^-64, as with checksum().
  [[nodiscard]] std::uint64_t expected_check(std::uint64_t number) const noexcept {
    return fold(task ^ 0x9e6c'63d0'876a'9a47, bytes[0] ^ 0xc2b2'ae3d'27d4'eb4f) ^
           fold(bytes[1] ^ 0xd6e8'feb8'6659'fd93, bytes_check ^ 0xa076'1d64'78bd'642f) ^
           fold(about ^ 0xe703'7ed1'a0b4'28db ^ number << 48, extent ^ 0x8ebc'6af0'9c88'c6e3) ^ number;
  }
  // Word by word: a copy of the whole would first put the words together in memory, which takes 10 ns more.
  void set(const ring_cell& it, std::uint64_t its_check) noexcept {
    task = it.task;
    bytes[0] = it.bytes[0];
    bytes[1] = it.bytes[1];
    bytes_check = it.bytes_check;
    about = it.about;
    extent = it.extent;
    check = its_check;
  }
};
static_assert(sizeof(ring_cell) == 64);

// The words of a ring. Each in lines of its own: the writer and the caller write one each, all the time.
struct ring_words {
  alignas(128) shared_word<"tail"> tail;    // outcomes that have been published
  alignas(128) shared_word<"taken"> taken;  // outcomes that the caller has taken: their cells and blocks are free
};

// When the two ends of a ring hear of each other. A test has smaller numbers.
struct ring_pace {
  std::uint64_t untold = 64;              // the caller may take so many cells before their writer hears of it
  std::uint64_t untold_bytes = 64 << 10;  // or so many bytes
  std::uint64_t much = 2 << 20;           // a worker begins no task while more bytes wait unread
  std::uint64_t few = 4;                  // in at least so many outcomes
};

// Where a ring lies in the memory that begins at `memory`. The cells never run out: no more tasks may begin than have
// places there. Bytes that do not fit into a cell are in blocks of the heap, of which only pages that are written cost
// memory.
struct ring_place {
  std::byte* memory;
  std::size_t words;
  std::size_t cells;
  std::uint64_t capacity;  // cells, a power of two
  std::size_t heap;
  std::size_t heap_end;
  ring_pace pace{};

  [[nodiscard]] void* part(std::size_t at) const noexcept { return memory + at; }
  [[nodiscard]] ring_words& shared() const noexcept { return *static_cast<ring_words*>(part(words)); }
  [[nodiscard]] ring_cell& cell(std::uint64_t number) const noexcept {
    return static_cast<ring_cell*>(part(cells))[number & (capacity - 1)];
  }
};

// The writer's end. What is free in the heap it knows from the cells and `taken`, so a successor of a dead writer
// begins with what is in the memory.
class ring_writer {
 public:
  explicit ring_writer(const ring_place& at)
      : at_(at),
        tail_(at.shared().tail.get()),
        heap_(at.memory, at.heap, at.heap_end) {
    look_at_taken();
    freed_ = taken_;
    for (std::uint64_t k = freed_; k != tail_; ++k)
      if (const auto held = block_of(at_.cell(k))) {
        heap_.keep(*held);
        unread_bytes_ += held->bytes();
      }
    if (tail_ != 0) heap_.begin_behind();
  }
  ring_writer(const ring_writer&) = delete;
  ring_writer& operator=(const ring_writer&) = delete;

  // Whether a further outcome can be published now.
  [[nodiscard]] bool has_room() noexcept { return has_cell(); }
  // Whether more waits unread than a stream is to hold, and more than a few outcomes.
  [[nodiscard]] bool has_much_unread() { return unread_bytes_ > at_.pace.much && has_much_unread_now(); }

  // Whether there is much memory that may go back to the system, now or later.
  [[nodiscard]] bool has_large() const noexcept { return heap_.has_large(); }
  // See ring_heap.
  bool give_back_unused() {
    collect();
    return heap_.give_back_unused();
  }

  // Publishes an outcome of which write(bytes) writes the bytes to the byte_writer that it is given, perhaps twice.
  // Throws what write throws, and arena_full; then nothing is published. False if there is no cell: the memory was
  // written over.
  template <class Write>
  [[nodiscard]] bool send(std::uint64_t task, std::uint64_t about, std::uint64_t extent, const Write& write) {
    if (!has_cell()) return false;
    ring_cell it{task, {}, 0, about, extent, 0};
    store(it, write);
    publish(it);
    return true;
  }
  // Publishes an outcome whose bytes are these, `length` of them.
  [[nodiscard]] bool send_short(std::uint64_t task, std::uint64_t about, std::uint64_t extent,
                                const std::array<std::uint64_t, 2>& bytes, std::size_t length) {
    if (!has_cell()) return false;
    publish({task, bytes, 0, about | length, extent, 0});
    return true;
  }
  // The outcome that was published last takes so many bytes elsewhere, until the caller has taken it.
  void note_bytes_elsewhere(std::size_t bytes) {
    elsewhere_.emplace_back(tail_ - 1, bytes);
    unread_bytes_ += bytes;
  }

 private:
  [[nodiscard]] [[gnu::noinline]] bool has_much_unread_now() {
    collect();
    return unread_bytes_ > at_.pace.much && tail_ - freed_ >= at_.pace.few;
  }
  [[nodiscard]] bool has_cell() noexcept {
    if (tail_ - taken_ < at_.capacity) return true;
    look_at_taken();
    return tail_ - taken_ < at_.capacity;
  }
  void publish(const ring_cell& it) noexcept {
    step("cell", moment::before);
    at_.cell(tail_).set(it, it.expected_check(tail_));
    step("cell", moment::after);
    at_.shared().tail.set(++tail_);
  }

  // A word that was written over cannot mislead: nothing is taken that has not been published.
  void look_at_taken() noexcept {
    const std::uint64_t seen = at_.shared().taken.get();
    taken_ = tail_ - seen <= at_.capacity ? seen : tail_ - at_.capacity;
  }
  [[nodiscard]] std::optional<ring_heap::block> block_of(const ring_cell& it) const noexcept {
    return it.is_in_heap() ? heap_.block_of(it.offset(), it.size()) : std::nullopt;
  }
  // Frees the blocks of what the caller has taken.
  void collect() {
    look_at_taken();
    for (; tail_ - freed_ > tail_ - taken_; ++freed_)
      if (const auto done = block_of(at_.cell(freed_))) {
        heap_.free(*done);
        unread_bytes_ -= std::min(unread_bytes_, done->bytes());
      }
    for (; !elsewhere_.empty() && elsewhere_.front().first < freed_; elsewhere_.pop_front())
      unread_bytes_ -= std::min(unread_bytes_, elsewhere_.front().second);
  }

  template <class Write>
  void store(ring_cell& it, const Write& write) {
    if (!heap_.has_likely() && unread_bytes_ > 0) collect();
    const std::span<const std::byte> bytes = heap_.put(ring_cell::longest_here, write);
    if (bytes.size() <= ring_cell::longest_here) {
      it.about |= bytes.size();
      if (!bytes.empty()) std::memcpy(it.bytes.data(), bytes.data(), bytes.size());
      return;
    }
    it.about |= ring_cell::in_heap;
    it.bytes = {static_cast<std::uint64_t>(bytes.data() - at_.memory), bytes.size()};
    it.bytes_check = checksum(bytes.data(), bytes.size(), it.task);
    unread_bytes_ += block_of(it)->bytes();
  }

  ring_place at_;
  std::uint64_t tail_;
  std::uint64_t taken_{};  // as it was seen last
  std::uint64_t freed_{};
  std::size_t unread_bytes_{};
  ring_heap heap_;
  // Numbers of outcomes, and what they take elsewhere. A successor of a dead writer does not know of it.
  std::deque<std::pair<std::uint64_t, std::size_t>> elsewhere_;
};

// The caller's end.
class ring_reader {
 public:
  explicit ring_reader(const ring_place& at) : at_(at) {}

  // Whether there is an outcome that has not been taken; then cell() is the oldest. Throws std::runtime_error if it was
  // written over.
  [[nodiscard]] bool look() {
    if (taken_ == seen_ && !look_at_tail()) return false;
    cell_ = at_.cell(taken_);
    if (cell_.check != cell_.expected_check(taken_)) throw_overwritten("the record of an outcome is lost");
    return true;
  }
  [[nodiscard]] const ring_cell& cell() const noexcept { return cell_; }
  // How many outcomes there are that have not been taken.
  [[nodiscard]] std::uint64_t count() {
    static_cast<void>(look_at_tail());
    return seen_ - taken_;
  }
  // The bytes of cell(), which lie in it or in the heap, until take(); none if they were written over.
  [[nodiscard]] std::optional<byte_reader> bytes() const noexcept {
    if (cell_.length() <= ring_cell::longest_here)
      return byte_reader(reinterpret_cast<const std::byte*>(cell_.bytes.data()), cell_.length());
    const std::uint64_t size = cell_.size();
    if (cell_.offset() < at_.heap || cell_.offset() > at_.heap_end || size > at_.heap_end - cell_.offset())
      return std::nullopt;
    const std::byte* const from = at_.memory + cell_.offset();
    if (checksum(from, size, cell_.task) != cell_.bytes_check) return std::nullopt;
    return byte_reader(from, size);
  }
  // cell() has been taken: its writer may use its memory again. It is told at once of much memory, else now and then.
  void take() noexcept {
    ++taken_;
    untold_bytes_ += cell_.is_in_heap() ? cell_.size() : 0;
    if (taken_ - told_ >= at_.pace.untold || untold_bytes_ >= at_.pace.untold_bytes) tell();
  }

  // Takes the oldest outcomes, `most` of them at most, as long as visit(cell) says that it has taken the outcome.
  // Returns how many. Ends before one that was written over, of which look() tells then.
  template <class Visit>
  unsigned take_while(unsigned most, const Visit& visit) {
    if (taken_ == seen_ && !look_at_tail()) return 0;
    const std::uint64_t end = taken_ + std::min<std::uint64_t>(seen_ - taken_, most);
    const std::uint64_t begin = taken_;
    for (; taken_ != end; ++taken_) {
      const ring_cell& from = at_.cell(taken_);
      ring_cell it;
      it.set(from, from.check);
      if (it.check != it.expected_check(taken_) || !visit(it)) break;
    }
    if (taken_ - told_ >= at_.pace.untold) tell();
    return static_cast<unsigned>(taken_ - begin);
  }

  // The writer hears of all that has been taken. False if it has heard of it before.
  bool tell_all() noexcept {
    if (told_ == taken_) return false;
    tell();
    return true;
  }

 private:
  [[nodiscard]] bool look_at_tail() {
    seen_ = at_.shared().tail.get();
    if (seen_ - taken_ > at_.capacity) throw_overwritten("the number of its outcomes is impossible");
    return taken_ != seen_;
  }
  void tell() noexcept {
    at_.shared().taken.set(taken_);
    told_ = taken_;
    untold_bytes_ = 0;
  }

  ring_place at_;
  ring_cell cell_{};
  std::uint64_t taken_{};
  std::uint64_t seen_{};
  std::uint64_t told_{};  // the value of the word `taken`
  std::uint64_t untold_bytes_{};
};

// By the supervisor: whether the newest outcome that was published is that of this task.
[[nodiscard]] inline bool newest_outcome_is(const ring_place& at, std::uint64_t task) noexcept {
  const std::uint64_t tail = at.shared().tail.get();
  if (tail == 0) return false;
  const ring_cell it = at.cell(tail - 1);
  return it.task == task && it.check == it.expected_check(tail - 1);
}

}  // namespace parmap::inline PARMAP_ABI::detail
