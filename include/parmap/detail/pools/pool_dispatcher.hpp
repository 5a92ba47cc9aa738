// SPDX-License-Identifier: MIT
// pool_dispatcher: the caller's end of a pool. It sends the tasks of all jobs to the workers, in batches, and gives
// each job its outcomes.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/kept_bytes.hpp>
#include <parmap/detail/pools/pool_owner.hpp>
#include <parmap/detail/streams/outcome_source.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

struct pool_terms {
  unsigned workers{};
  std::optional<std::uint64_t> memory_limit{};
  std::uint64_t most_tasks{};  // of a worker process; 0: any number
};

// Any thread may call any member. There is no thread of its own: who waits for outcomes collects those of all jobs, one
// thread at a time.
class pool_dispatcher {
 public:
  // Forks the template process, which forks the workers. Throws what map throws before any task begins.
  PARMAP_API explicit pool_dispatcher(const pool_terms& terms);
  // Kills the workers and what their tasks have started, and waits until all have ended. Nobody may wait in collect().
  PARMAP_API ~pool_dispatcher();
  pool_dispatcher(const pool_dispatcher&) = delete;
  pool_dispatcher& operator=(const pool_dispatcher&) = delete;

  using write = std::function<void(byte_writer&)>;

  [[nodiscard]] PARMAP_API unsigned workers() const noexcept;
  // The function that these bytes encode; see function_reader. The same bytes are sent once.
  [[nodiscard]] PARMAP_API std::shared_ptr<kept_function> keep_function(std::vector<std::byte> bytes);
  // `foreign`: encode calls code of the user, which may use the pool. Throws std::bad_alloc if there is no room for
  // them, and what encode throws.
  [[nodiscard]] PARMAP_API kept_inputs keep_inputs(const write& encode, bool foreign = false);

  // The bytes of inputs, as long as they are kept.
  [[nodiscard]] PARMAP_API byte_reader read(const kept_inputs& it) const noexcept;

  // `by` must stay until end() has returned.
  [[nodiscard]] PARMAP_API std::shared_ptr<pool_job> open(const job_terms& on, std::shared_ptr<kept_function> f,
                                                          pool_owner& by);
  // Further tasks [task, task + count), which have these inputs; `f`: if not the job's function.
  PARMAP_API void add(pool_job& to, std::uint64_t task, std::uint64_t count, kept_inputs inputs,
                      std::shared_ptr<kept_function> f = nullptr);
  // No further tasks come.
  PARMAP_API void close(pool_job& it);
  // Tasks below `limit` may begin. What has been sent goes on.
  PARMAP_API void allow(pool_job& it, std::uint64_t limit);
  // A task is to be tried again. Call in pool_owner::take, when its attempt has failed. False if the job was halted.
  PARMAP_API bool try_again(pool_job& it, std::uint64_t task, unsigned attempt,
                            std::chrono::steady_clock::time_point due);
  // Tasks of a job that have not been sent, or have to be tried again.
  struct unsent {
    std::uint64_t task;
    std::uint64_t count;
    unsigned attempts;  // that the first one has had
  };
  // No further task of the job begins. What has been sent ends as `stopped`, unless it has begun; the rest is returned,
  // and has no outcomes.
  PARMAP_API std::vector<unsent> halt(pool_job& it);
  // The task does not begin, unless a worker has begun it. Returns whether that is so; else it goes on, or has ended.
  // It has an outcome. O(log n).
  PARMAP_API bool halt_task(pool_job& it, std::uint64_t task);
  // Whether a worker has begun the task, which was added alone and has no outcome yet.
  [[nodiscard]] PARMAP_API bool has_begun(const pool_job& it, std::uint64_t task) const;
  // As halt_task for tasks [task, task + count): all that were added together, or several of such.
  PARMAP_API void halt_tasks(pool_job& it, std::uint64_t task, std::uint64_t count);
  // Kills the task, or all tasks of the job, that have been sent and have not ended: they end as `stopped`.
  PARMAP_API void kill(pool_job& it, std::optional<std::uint64_t> task = std::nullopt);
  // Nobody takes outcomes of the job any more: halts it, kills what runs, and waits for that.
  PARMAP_API void end(const std::shared_ptr<pool_job>& it) noexcept;
  // Ends the workers in order, with what tasks have left to the end of a process, and waits for that. No job is open,
  // and none is opened later.
  PARMAP_API void end_workers() noexcept;
  // As the destructor does. From now on the pool throws.
  PARMAP_API void end_at_once() noexcept;

  // Gives the owner outcomes of the job, and waits for one at most for `patience`. Throws what ends the pool, and
  // std::bad_alloc if there was no memory for an outcome, which the next call finds again. Does not
  // wait if more than `seen` outcomes of the job have been taken: by another thread, since this one looked.
  PARMAP_API arrival collect(pool_job& mine, std::chrono::nanoseconds patience,
                             std::optional<std::uint64_t> seen = std::nullopt);
  // How many outcomes of the job have been taken.
  [[nodiscard]] PARMAP_API std::uint64_t taken(const pool_job& it) const;

 private:
  class state;
  std::unique_ptr<state> state_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/pools/pool_dispatcher.inl.hpp>
#endif
