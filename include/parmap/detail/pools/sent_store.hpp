// SPDX-License-Identifier: MIT
// sent_store: the functions and inputs that a pool has sent to its workers, and what is known of the functions.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/batch_table.hpp>
#include <parmap/detail/pools/kept_bytes.hpp>
#include <parmap/detail/pools/pool_memory.hpp>
#include <parmap/detail/streams/shared_heap.hpp>
#include <parmap/detail/system/give_back.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// In the caller. Any thread may call any member. The lock is its own, as to encode large inputs takes long.
class sent_store {
 public:
  using write = std::function<void(byte_writer&)>;

  // wake() is called when workers are to give back what they hold.
  sent_store(pool_memory& memory, std::function<void()> wake) : memory_(memory), wake_(std::move(wake)) {}
  sent_store(const sent_store&) = delete;
  sent_store& operator=(const sent_store&) = delete;

  // The same bytes are stored once.
  std::shared_ptr<kept_function> keep_function(std::vector<std::byte> bytes);
  // Throws std::bad_alloc if there is no room for them, and what encode throws.
  kept_inputs keep_inputs(const write& encode);
  // The same; encode calls code of the user, which may use the pool.
  kept_inputs keep_foreign_inputs(const write& encode);
  // Gives back what nobody uses any more. Functions stay that were used last, as they may be used again: not many, and
  // none but the newest if they are large.
  void drop_unused() noexcept;
  // The same, if large inputs are among it.
  void drop_large() noexcept {
    if (dropped_->any_large.load(std::memory_order_relaxed)) drop_unused();
  }

 private:
  static constexpr std::size_t most_unused = 64;  // functions

  // Inputs that nobody uses any more.
  struct dropped {
    std::mutex lock;
    std::list<sent_bytes> all;
    std::atomic<bool> any_large{};
  };
  // Inputs that somebody uses. Its end needs no memory.
  class in_use {
   public:
    explicit in_use(std::shared_ptr<dropped> to) : to_(std::move(to)), one_(1) {}
    in_use(const in_use&) = delete;
    in_use& operator=(const in_use&) = delete;
    ~in_use() {
      const bool large = what().size >= much_memory;
      const std::lock_guard lock(to_->lock);
      if (what().number != 0) to_->all.splice(to_->all.end(), one_);
      if (large) to_->any_large = true;
    }
    [[nodiscard]] sent_bytes& what() noexcept { return one_.front(); }

   private:
    std::shared_ptr<dropped> to_;
    std::list<sent_bytes> one_;
  };
  using functions = std::list<std::shared_ptr<kept_function>>;

  static std::string_view text_of(const std::vector<std::byte>& bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static shared_memory draft_memory();
  sent_bytes store(const write& encode);
  void drop_old();
  void drop_inputs();

  pool_memory& memory_;
  std::function<void()> wake_;
  std::mutex lock_;
  std::shared_ptr<dropped> dropped_ = std::make_shared<dropped>();
  functions used_;  // the newest first
  std::unordered_map<std::string_view, functions::iterator> known_;
  std::uint64_t function_bytes_{};  // of all used_
  std::uint64_t newest_{};
  std::unique_ptr<shared_memory> draft_;  // for the next inputs that code of the user writes; null: in use, or none
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/pools/sent_store.inl.hpp>
#endif
