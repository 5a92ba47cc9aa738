// SPDX-License-Identifier: MIT
// sent_store: the functions and inputs that a pool has sent to its workers, and what is known of the functions.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/batch_table.hpp>
#include <parmap/detail/pools/pool_memory.hpp>
#include <parmap/detail/streams/shared_heap.hpp>
#include <parmap/detail/system/shared_memory.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A function in the memory of a pool, kept as long as somebody may use it.
struct kept_function {
  sent_bytes where;
  std::vector<std::byte> bytes;
  // Of its tasks, under the dispatcher's lock.
  double mean_ticks{};    // of the latest; 0: none has ended
  std::uint64_t ended{};  // how many
};

// Inputs in the memory of a pool, kept as long as somebody may use them.
using kept_inputs = std::shared_ptr<const sent_bytes>;

// In the caller. Any thread may call any member. The lock is its own, as to encode large inputs takes long.
class sent_store {
 public:
  using write = std::function<void(byte_writer&)>;

  explicit sent_store(pool_memory& memory) noexcept : memory_(memory) {}
  sent_store(const sent_store&) = delete;
  sent_store& operator=(const sent_store&) = delete;

  // The same bytes are stored once.
  std::shared_ptr<kept_function> keep_function(std::vector<std::byte> bytes);
  // Throws std::bad_alloc if there is no room for them, and what encode throws.
  kept_inputs keep_inputs(const write& encode);
  // The same; encode calls code of the user, which may use the pool.
  kept_inputs keep_foreign_inputs(const write& encode);
  // Gives back what nobody uses any more.
  void drop_unused() noexcept;

 private:
  static constexpr std::size_t most_unused = 64;  // functions

  // Inputs that nobody uses any more.
  struct dropped {
    std::mutex lock;
    std::vector<shared_heap::block> blocks;
  };
  using functions = std::list<std::shared_ptr<kept_function>>;

  static std::string_view text_of(const std::vector<std::byte>& bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  static shared_memory draft_memory();
  sent_bytes store(const write& encode);
  void drop_old();

  pool_memory& memory_;
  std::mutex lock_;
  std::shared_ptr<dropped> dropped_ = std::make_shared<dropped>();
  functions used_;  // the newest first
  std::unordered_map<std::string_view, functions::iterator> known_;
  std::uint64_t newest_{};
  std::unique_ptr<shared_memory> draft_;  // for the next inputs that code of the user writes; null: in use, or none
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/pools/sent_store.inl.hpp>
#endif
