// SPDX-License-Identifier: MIT
// shared_accumulators: the memory in which workers of the engine multi publish the accumulators of a reduction.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/encoded_slot.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/reduction/accumulator_memory.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/system/shared_memory.hpp>
#include <parmap/encoding.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>

namespace parmap::inline PARMAP_ABI::detail {

// Where one value lies: itself, or an encoded_slot that tells where its bytes are. Zeroed memory holds none.
template <class T>
struct value_place {
  static constexpr bool encoded = !in_slot<T>;
  static constexpr std::size_t bytes = encoded ? sizeof(encoded_slot) : sizeof(T);
  static constexpr std::size_t alignment = encoded ? alignof(encoded_slot) : alignof(T);

  alignas(alignment) std::array<std::byte, bytes> held;
};

// The words of a block. Its accumulator lies in two places that are written in turn, so that a worker that dies while
// it writes one leaves the other. `done` of a place is written last: the value is that of the first `done` tasks of the
// block, and the last of these is in it. The larger one counts. Only the worker that runs the block's next task writes.
template <class T>
struct block_words {
  shared_word<"combining"> combining;  // 1 + the task of the block whose value is being combined; 0: none
  struct {
    shared_word<"done"> done;  // 0: nothing was written
    value_place<T> value;
  } place[2];

  [[nodiscard]] unsigned newest() const noexcept { return place[1].done.get() > place[0].done.get() ? 1 : 0; }
  [[nodiscard]] std::uint64_t done() const noexcept { return place[newest()].done.get(); }
};

// Memory for bytes of encoded values, one arena per worker.
class byte_arenas {
 public:
  // The arenas begin at `begin` of the memory; in front of them lies a word for each.
  byte_arenas(const shared_memory& memory, std::size_t words_at, std::size_t begin, unsigned workers) noexcept
      : memory_(&memory),
        tops_(static_cast<shared_word<"arena">*>(memory.at(words_at))),
        begin_(begin),
        each_((memory.size() - begin) / workers / 16 * 16) {
    for (unsigned w = 0; w < workers; ++w) (::new (static_cast<void*>(tops_ + w)) shared_word<"arena">)->set(first(w));
  }

  // The first free byte of worker w; at most end(w), also if a task has written over it.
  [[nodiscard]] std::size_t top(unsigned w) const noexcept { return std::clamp(tops_[w].get(), first(w), end(w)); }
  void set_top(unsigned w, std::size_t top) const noexcept { tops_[w].set(top); }
  [[nodiscard]] std::size_t end(unsigned w) const noexcept { return first(w) + each_; }
  [[nodiscard]] byte_writer writer(std::size_t from, std::size_t to) const noexcept {
    return {memory_->bytes() + from, memory_->bytes() + to};
  }
  [[nodiscard]] encoded_slot commit(const byte_writer& written, std::uint64_t key) const noexcept {
    if (written.written() <= encoded_slot::longest_short)
      return encoded_slot::of_short(written.data(), written.written(), key);
    return encoded_slot::in_arena(static_cast<std::uint64_t>(written.data() - memory_->bytes()), written.data(),
                                  written.written(), key);
  }
  // Throws bad_encoding unless the bytes are as they were committed.
  [[nodiscard]] byte_reader read(const encoded_slot& at, std::uint64_t key) const {
    if (at.is_short()) {
      if (const auto bytes = at.read_short(key)) return *bytes;
    } else if (at.offset >= begin_ && at.offset <= memory_->size() &&
               at.bytes_in_arena() <= memory_->size() - at.offset) {
      const std::byte* const from = memory_->bytes() + at.offset;
      if (at.fits_check(from, key)) return {from, at.bytes_in_arena()};
    }
    throw bad_encoding(
        "an accumulator was written over by a task that wrote to memory it does not own; run the reduction under "
        "parmap::serial with valgrind or -fsanitize=address to find that task");
  }

 private:
  [[nodiscard]] std::size_t first(unsigned w) const noexcept { return begin_ + w * each_; }

  const shared_memory* memory_;
  shared_word<"arena">* tops_;
  std::size_t begin_;
  std::size_t each_;
};

// One worker's hand on it: writes and reads values. Several versions of one value, such as an accumulator after each
// task, share the memory of the largest few.
template <class T>
class value_writer {
 public:
  value_writer(const byte_arenas& arenas, unsigned worker) noexcept : arenas_(&arenas), worker_(worker) {
    if constexpr (value_place<T>::encoded) begin_versions();
  }

  // The bytes of the versions up to now stay. The next version is that of another value.
  void begin_versions() noexcept {
    if (size_ != 0) arenas_->set_top(worker_, at_ + size_);  // what lies behind the last version is older
    low_ = (arenas_->top(worker_) + 15) / 16 * 16;
    at_ = low_;
    size_ = 0;
  }
  // The older of the last two versions is overwritten, where its memory suffices. Throws what the codec throws.
  void write(value_place<T>& to, const T& made, std::uint64_t key) {
    if constexpr (!value_place<T>::encoded) {
      ::new (static_cast<void*>(to.held.data())) T(made);
    } else {
      const bool fits = at_ - low_ >= size_ + size_ / 8 + 64;
      if (fits) try {
          return commit(to, put(made, low_, at_), key);
        } catch (const arena_full&) {  // NOLINT(bugprone-empty-catch): it has grown; there is room behind
        }
      commit(to, put(made, (at_ + size_ + 15) / 16 * 16, arenas_->end(worker_)), key);
    }
  }

  [[nodiscard]] static T read(const byte_arenas& arenas, const value_place<T>& from, std::uint64_t key) {
    if constexpr (!value_place<T>::encoded) {
      const void* const place = from.held.data();
      return *std::launder(static_cast<const T*>(place));
    } else {
      const void* const slot = from.held.data();
      byte_reader bytes = arenas.read(*std::launder(static_cast<const encoded_slot*>(slot)), key);
      decoder in(bytes);
      T made = in.get<T>();
      bytes.expect_end();
      return made;
    }
  }

 private:
  [[nodiscard]] byte_writer put(const T& made, std::size_t from, std::size_t end) const {
    byte_writer bytes = arenas_->writer(std::min(from, end), end);
    encoder(bytes).put(made);
    return bytes;
  }
  void commit(value_place<T>& to, const byte_writer& bytes, std::uint64_t key) noexcept {
    const encoded_slot slot = arenas_->commit(bytes, key);
    if (!slot.is_short()) {
      at_ = slot.offset;
      size_ = bytes.written();
      // Before the place is written: a successor must not write over what it refers to.
      if (at_ + size_ > arenas_->top(worker_)) arenas_->set_top(worker_, at_ + size_);
    }
    ::new (static_cast<void*>(to.held.data())) encoded_slot(slot);
  }

  const byte_arenas* arenas_;
  unsigned worker_;
  std::size_t low_{};   // where the versions begin
  std::size_t at_{};    // the newest one
  std::size_t size_{};  // its bytes
};

// The words of all blocks, a place for the value of each task that has to be kept, and the arenas. Memory that is not
// written costs nothing but addresses.
template <class T>
class shared_accumulators {
 public:
  shared_accumulators(block_rule rule, bool keeps_values, unsigned workers)
      : rule_(rule),
        values_at_(round_up(times(rule.blocks(), sizeof(block_words<T>)))),
        words_at_(values_at_ + round_up(keeps_values ? times(rule.tasks(), sizeof(value_place<T>)) : 0)),
        memory_(make_accumulator_memory(fixed(workers), workers, value_place<T>::encoded)),
        arenas_(memory_, words_at_, fixed(workers), workers) {}

  [[nodiscard]] const block_rule& rule() const noexcept { return rule_; }
  [[nodiscard]] const byte_arenas& arenas() const noexcept { return arenas_; }
  // Zeroed memory is a block_words to which nothing was written.
  [[nodiscard]] block_words<T>& block(std::uint64_t b) const noexcept {
    return *std::launder(static_cast<block_words<T>*>(memory_.data()) + b);
  }
  [[nodiscard]] value_place<T>& kept(std::uint64_t task) const noexcept {
    return *std::launder(static_cast<value_place<T>*>(memory_.at(values_at_)) + task);
  }
  [[nodiscard]] bool is_done(std::uint64_t task) const noexcept {
    const std::uint64_t b = rule_.block_of(task);
    return block(b).done() > task - rule_.begin(b);
  }

 private:
  static constexpr std::size_t unit = std::max<std::size_t>(4096, value_place<T>::alignment);
  static std::size_t round_up(std::size_t bytes) noexcept { return (bytes + unit - 1) / unit * unit; }
  static std::size_t times(std::uint64_t n, std::size_t each) {
    if (n > std::numeric_limits<std::ptrdiff_t>::max() / 4 / each) throw std::bad_alloc();
    return n * each;
  }
  [[nodiscard]] std::size_t fixed(unsigned workers) const noexcept {
    return words_at_ + round_up(workers * sizeof(shared_word<"arena">));
  }

  block_rule rule_;
  std::size_t values_at_;
  std::size_t words_at_;
  shared_memory memory_;
  byte_arenas arenas_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
