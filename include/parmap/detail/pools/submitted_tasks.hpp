// SPDX-License-Identifier: MIT
// submitted_tasks: the tasks of a pool that were submitted one by one, and where their outcomes wait for the futures.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/pool_dispatcher.hpp>
#include <parmap/detail/pools/pool_owner.hpp>
#include <parmap/failure.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace parmap::inline PARMAP_ABI::detail {

// A submitted task, until its future has taken the outcome.
class submitted_task {
 public:
  submitted_task() = default;
  submitted_task(const submitted_task&) = delete;
  submitted_task& operator=(const submitted_task&) = delete;
  virtual ~submitted_task() = default;

  // Takes the value. What it throws makes the task fail.
  virtual void take_value(byte_reader bytes) = 0;
  virtual void take_failure(failure why) noexcept = 0;
  // The text of the arguments, for a failure. Throws what their codecs throw, and may end this process.
  [[nodiscard]] virtual std::string describe(byte_reader inputs) const = 0;
  // Whether the text takes code of the user: codecs, operator<<.
  [[nodiscard]] virtual bool takes_foreign_code() const noexcept = 0;

 private:
  friend class submitted_tasks;
  kept_inputs inputs_;
  bool ended_{};
};

// Any thread may call any member.
class submitted_tasks final : private pool_owner {
 public:
  PARMAP_API submitted_tasks(pool_dispatcher& by, std::uint64_t seed, std::optional<std::chrono::nanoseconds> limit);
  // Tasks that have not ended fail as `stopped`.
  PARMAP_API virtual ~submitted_tasks();
  submitted_tasks(const submitted_tasks&) = delete;
  submitted_tasks& operator=(const submitted_tasks&) = delete;

  // Returns its number. encode(bytes, number) writes its inputs; `foreign`: by code of the user.
  PARMAP_API std::uint64_t add(std::shared_ptr<submitted_task> it, std::shared_ptr<kept_function> f,
                               const std::function<void(byte_writer&, std::uint64_t)>& encode, bool foreign);
  // Whether it has ended; waits at most for `patience`. Throws what ends the pool.
  PARMAP_API bool wait(const submitted_task& it, std::chrono::nanoseconds patience);
  // Whether it is sure not to run. It ends as `stopped`.
  PARMAP_API bool cancel(std::uint64_t number);
  // Ends it, even if it runs.
  PARMAP_API void kill(std::uint64_t number, const submitted_task& it);

 private:
  PARMAP_API void take(const pool_outcome& it) override;
  void describe(failure& why, const submitted_task& of) const noexcept;
  [[nodiscard]] bool has_ended(const submitted_task& it) const;

  pool_dispatcher& by_;
  mutable std::mutex lock_;
  std::unordered_map<std::uint64_t, std::shared_ptr<submitted_task>> open_;
  std::uint64_t next_{};
  std::shared_ptr<pool_job> job_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/pools/submitted_tasks.inl.hpp>
#endif
