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
#include <parmap/detail/system/worker_assignment.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

namespace parmap::inline PARMAP_ABI::detail {

// A worker keeps what it has read last, so that a function that is called again and again is read once.
class pool_tasks final : public process_tasks, public claim_batches {
 public:
  // `only`: what reads every function; null: each begins with the address of its reader.
  explicit pool_tasks(pool_memory& memory, function_reader only = nullptr) noexcept;

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
  function_reader only_;
  // In a worker.
  mutable std::list<kept<pool_function>> functions_;  // the newest first
  mutable std::uint64_t function_bytes_{};
  mutable kept<pool_inputs> inputs_{};
  mutable unsigned worker_{};
};

// Runs a worker of a pool that is a separate program, see language_runtime.hpp. `memory` is the descriptor of the
// ledger's memory; `read` reads every function. at_go(given, distance) is called just before the first task: an address
// of kept inputs in the caller, and this distance, is that here. Throws std::system_error if the memory cannot be
// mapped.
[[noreturn]] PARMAP_API void serve_pool_as_program(const worker_assignment& mine, int memory, function_reader read,
                                                   void (*at_go)(void* given, std::ptrdiff_t distance), void* given);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/pools/pool_tasks.inl.hpp>
#endif
