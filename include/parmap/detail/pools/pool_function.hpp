// SPDX-License-Identifier: MIT
// pool_function: a function that was sent to the workers of a pool, and how a worker runs a batch of its tasks.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/batch_table.hpp>
#include <parmap/detail/processes/stream_outlet.hpp>
#include <parmap/detail/processes/worker_chunk.hpp>

#include <cstdint>
#include <memory>

namespace parmap::inline PARMAP_ABI::detail {

// The tasks of a worker's claim, all of one batch. For each: begin_task, send its value by outlet(), end_task.
class batch_run {
 public:
  batch_run(worker_chunk& chunk, const batch& of, const batch_table& table, context& self) noexcept
      : chunk_(chunk),
        of_(of),
        table_(table),
        self_(self) {}
  batch_run(const batch_run&) = delete;
  batch_run& operator=(const batch_run&) = delete;

  // The first task that has not ended, and the end of the claim, as indices in the map.
  [[nodiscard]] std::uint64_t next() const noexcept { return chunk_.next() - of_.first + of_.task; }
  [[nodiscard]] std::uint64_t end() const noexcept { return chunk_.end() - of_.first + of_.task; }
  // The next task's number in the stream of the pool.
  [[nodiscard]] std::uint64_t number() const noexcept { return chunk_.next(); }
  [[nodiscard]] stream_outlet& outlet() const noexcept { return chunk_.outlet(); }

  // False if no further task of the batch is to begin. No effect if it has begun: its function or its inputs had to be
  // read first, which is a part of it.
  [[nodiscard]] bool begin_task() {
    if (has_begun_) return true;
    if (table_.is_halted()) return false;
    self_.begin(next(), static_cast<unsigned>(of_.attempt));
    chunk_.begin_task();
    return has_begun_ = true;
  }
  void end_task() noexcept {
    has_begun_ = false;
    chunk_.end_task();
  }

 private:
  worker_chunk& chunk_;
  const batch& of_;
  const batch_table& table_;
  context& self_;
  bool has_begun_{};
};

// Inputs as a worker has read them.
class pool_inputs {
 public:
  pool_inputs() = default;
  pool_inputs(const pool_inputs&) = delete;
  pool_inputs& operator=(const pool_inputs&) = delete;
  virtual ~pool_inputs() = default;
};

// In a worker.
class pool_function {
 public:
  pool_function() = default;
  pool_function(const pool_function&) = delete;
  pool_function& operator=(const pool_function&) = delete;
  virtual ~pool_function() = default;

  // Throws what the codecs throw.
  [[nodiscard]] virtual std::unique_ptr<pool_inputs> read(byte_reader bytes) const = 0;
  // Runs tasks of the batch until none is left or none may begin. What a task throws passes.
  virtual void run(const pool_inputs& inputs, batch_run& tasks, context& self) const = 0;
};

// Reads the bytes of a function. A sent function begins with the address of such a reader, which is the same in every
// process of the pool; but a worker that is a program of its own has one reader for all.
using function_reader = std::unique_ptr<pool_function> (*)(byte_reader bytes);

}  // namespace parmap::inline PARMAP_ABI::detail
