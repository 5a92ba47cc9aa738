// SPDX-License-Identifier: MIT
// outcome_lane: the way of outcomes from one thread that runs tasks to the thread that reads the stream, without a
// lock.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/streams/outcome_source.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// A queue in blocks. An outcome can be read as soon as it is sent: nothing is held back until more have come. Blocks
// that have been read go back to the writer, so there are as many as were ever unread at once.
template <class T>
class outcome_lane {
 public:
  using item = ended_task<T>;

  outcome_lane() : write_(new block), read_(write_) {}
  outcome_lane(const outcome_lane&) = delete;
  outcome_lane& operator=(const outcome_lane&) = delete;
  // Both threads have done with it.
  ~outcome_lane() {
    drop();
    for (std::span<item> rest = unread(); !rest.empty(); rest = unread()) take(rest.size());
    delete read_;
    delete_all(free_);
    delete_all(read_blocks_.load(std::memory_order_acquire));
  }

  // ---- by the writer

  // Makes the next outcome, which is not sent yet. Throws what its constructor throws, and std::bad_alloc.
  template <class... Arguments>
  void make(Arguments&&... of) {
    if (used_ == of_block) add_block();
    std::construct_at(write_->place(used_), std::forward<Arguments>(of)...);
    made_ = true;
  }
  [[nodiscard]] item& made() noexcept { return *write_->at(used_); }
  void send() noexcept {
    made_ = false;
    write_->sent.store(++used_, std::memory_order_release);
  }
  // Destroys what has been made and not sent, if there is something.
  void drop() noexcept {
    if (std::exchange(made_, false)) std::destroy_at(write_->at(used_));
  }

  // ---- by the reader

  // Outcomes that have not been taken: some of them if there are any. Valid until take().
  [[nodiscard]] std::span<item> unread() noexcept {
    if (taken_ == of_block) {
      block* const next = read_->next.load(std::memory_order_acquire);
      if (next == nullptr) return {};
      give_back(std::exchange(read_, next));
      taken_ = 0;
    }
    const std::size_t sent = read_->sent.load(std::memory_order_acquire);
    return sent == taken_ ? std::span<item>() : std::span<item>(read_->at(taken_), sent - taken_);
  }
  // Destroys the first `count` of these.
  void take(std::size_t count) noexcept {
    for (; count > 0; --count) std::destroy_at(read_->at(taken_++));
  }

 private:
  static constexpr std::size_t of_block = std::clamp<std::size_t>((16 << 10) / sizeof(item), 1, 64);

  struct block {
    alignas(64) std::atomic<std::size_t> sent{0};  // outcomes in it
    std::atomic<block*> next{nullptr};             // set once all have been sent; of a free block: the next free one
    alignas(64) alignas(item) std::array<std::byte, of_block * sizeof(item)> bytes;

    [[nodiscard]] item* place(std::size_t i) noexcept { return reinterpret_cast<item*>(bytes.data()) + i; }
    [[nodiscard]] item* at(std::size_t i) noexcept { return std::launder(place(i)); }
  };

  void add_block() {
    if (free_ == nullptr) free_ = read_blocks_.exchange(nullptr, std::memory_order_acquire);
    block* fresh = free_;
    if (fresh == nullptr) {
      fresh = new block;
    } else {
      free_ = fresh->next.load(std::memory_order_relaxed);
      fresh->next.store(nullptr, std::memory_order_relaxed);
      fresh->sent.store(0, std::memory_order_relaxed);
    }
    std::exchange(write_, fresh)->next.store(fresh, std::memory_order_release);
    used_ = 0;
  }
  void give_back(block* done) noexcept {
    block* others = read_blocks_.load(std::memory_order_relaxed);
    do done->next.store(others, std::memory_order_relaxed);
    while (!read_blocks_.compare_exchange_weak(others, done, std::memory_order_release, std::memory_order_relaxed));
  }
  static void delete_all(block* first) noexcept {
    while (first != nullptr) delete std::exchange(first, first->next.load(std::memory_order_relaxed));
  }

  // The writer's.
  block* write_;
  std::size_t used_{};  // of it
  bool made_{};
  block* free_{};
  // The reader's.
  alignas(64) block* read_;
  std::size_t taken_{};  // of it
  alignas(64) std::atomic<block*> read_blocks_{nullptr};
};

}  // namespace parmap::inline PARMAP_ABI::detail
