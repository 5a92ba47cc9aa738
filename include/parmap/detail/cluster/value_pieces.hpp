// SPDX-License-Identifier: MIT
// value_pieces: values that will be sent to other ranks, as bytes, in pieces of some MiB.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/cluster/message_text.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/encoding.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A piece: runs of consecutive tasks, and in front the number of values in all; of each the first task, the number of
// tasks, and their values.
template <class T>
class value_pieces {
 public:
  // Throws what the codec of T throws; then nothing is added.
  void add(std::uint64_t task, const T& value) {
    for (std::size_t size = piece_bytes;; size *= 2) {
      if (pieces_.empty() || used_ == pieces_.back().bytes.size()) open(size);
      if (put(task, value)) return;
      close();
    }
  }
  // Appends the next piece, the number of values first. False if there is none.
  bool take(message_writer& to) {
    if (pieces_.empty()) return false;
    if (pieces_.size() == 1) close();
    if (pieces_.empty()) return false;
    to.put(pieces_.front().values);
    to.write(pieces_.front().bytes.data(), pieces_.front().bytes.size());
    pieces_.pop_front();
    return true;
  }
  // Calls put(task, get) for each value of a piece, without the number in front; get() reads the value.
  template <class Put>
  static void read(message_reader from, const Put& put) {
    const std::size_t size = from.left();
    byte_reader bytes(from.read(size), size);
    while (bytes.left() > 0) {
      const std::uint64_t first = number(bytes);
      const std::uint64_t count = number(bytes);
      for (std::uint64_t i = first; i < first + count; ++i) {
        decoder in(bytes);
        put(i, [&in] { return in.get<T>(); });
      }
    }
  }

 private:
  struct piece {
    message_bytes bytes;
    std::uint64_t values{};
  };

  static constexpr std::size_t piece_bytes = 1 << 20;
  static constexpr std::size_t word = sizeof(std::uint64_t);

  static std::uint64_t number(byte_reader& from) {
    std::uint64_t value = 0;
    std::memcpy(&value, from.read(word), word);
    return value;
  }
  void open(std::size_t size) {
    pieces_.push_back({message_bytes(size), 0});
    used_ = 0;
    count_ = 0;
  }
  // The last piece gets no further value.
  void close() {
    pieces_.back().bytes.resize(used_);
    if (used_ == 0) pieces_.pop_back();
    used_ = pieces_.empty() ? 0 : pieces_.back().bytes.size();
  }
  // False if the last piece has no room for it.
  bool put(std::uint64_t task, const T& value) {
    message_bytes& to = pieces_.back().bytes;
    const bool goes_on = count_ > 0 && task == next_;
    const std::size_t head = goes_on ? 0 : 2 * word;
    if (to.size() - used_ < head) return false;
    byte_writer bytes(to.data() + used_ + head, to.data() + to.size());
    try {
      encoder(bytes).put(value);
    } catch (const arena_full&) {
      return false;
    }
    if (!goes_on) {
      run_ = used_;
      count_ = 0;
      std::memcpy(to.data() + run_, &task, word);
    }
    ++count_;
    ++pieces_.back().values;
    std::memcpy(to.data() + run_ + word, &count_, word);
    next_ = task + 1;
    used_ += head + bytes.written();
    return true;
  }

  std::deque<piece> pieces_;
  std::size_t used_{};     // of the last one
  std::size_t run_{};      // where its last run begins,
  std::uint64_t count_{};  // the tasks in it,
  std::uint64_t next_{};   // and the task that would continue it
};

}  // namespace parmap::inline PARMAP_ABI::detail
