// SPDX-License-Identifier: MIT
// pool_tasks: the tasks of all maps of a pool, as one endless stream, and how a worker runs them.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/pools/batch_table.hpp>
#include <parmap/detail/pools/pool_function.hpp>
#include <parmap/detail/pools/pool_memory.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/worker_chunk.hpp>
#include <parmap/detail/schedule/claim_blocks.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

namespace parmap::inline PARMAP_ABI::detail {

// A worker keeps what it has read last, so that a function that is called again and again is read once.
class pool_tasks final : public process_tasks, public claim_batches {
 public:
  explicit pool_tasks(pool_memory& memory) noexcept;

  void run(worker_chunk& chunk, context& self) const override;
  [[nodiscard]] const claim_batches* batches() const noexcept override { return this; }
  [[nodiscard]] std::uint64_t end_of(std::uint64_t task) const noexcept override;
  // Forgets large inputs that nobody uses any more.
  void before_wait() const noexcept override;

 private:
  template <class Read>
  struct kept {
    std::uint64_t number;
    std::unique_ptr<Read> what;
    std::uint64_t size;  // of the bytes
  };
  static constexpr std::size_t most_functions = 16;

  void forget_others(const batch& it) const noexcept;
  [[nodiscard]] const pool_function& function(const sent_bytes& sent) const;
  [[nodiscard]] const pool_inputs& inputs(const pool_function& of, const sent_bytes& sent) const;
  [[nodiscard]] byte_reader bytes_of(const sent_bytes& sent) const;
  [[nodiscard]] bool has_read(const batch& it) const noexcept;

  pool_memory& memory_;
  // In a worker.
  mutable std::list<kept<pool_function>> functions_;  // the newest first
  mutable std::uint64_t function_bytes_{};
  mutable kept<pool_inputs> inputs_{};
  mutable unsigned worker_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/pools/pool_tasks.inl.hpp>
#endif
