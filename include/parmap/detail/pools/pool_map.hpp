// SPDX-License-Identifier: MIT
// pool_map: one map on a pool, in the thread that called it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/pool_run.hpp>
#include <parmap/detail/results/bit_set.hpp>
#include <parmap/detail/results/failure_runs.hpp>
#include <parmap/encoding.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// What does not depend on the result type.
class PARMAP_API pool_map : public pool_run {
 public:
  // Sends the tasks, and returns when all have ended: the failures of all tasks that have no value. The values belong
  // to the caller then. If it throws, none is left. `inputs`: of all tasks, unless send_some() sends others.
  [[nodiscard]] PARMAP_API failure_list run(kept_inputs inputs);

 protected:
  pool_map(pool_dispatcher& by, const options& chosen, std::optional<std::chrono::nanoseconds> limit,
           attempt_observer* observer, std::shared_ptr<kept_function> f, std::uint64_t tasks)
      : pool_run(by, chosen, limit, observer, std::move(f)),
        tasks_(tasks),
        has_value_(tasks) {}
  ~pool_map() { end(); }

  // Called before each wait until all tasks are sent: calls send(), the first time at least. What it throws ends the
  // map.
  virtual void send_some() { send(tasks_, std::move(inputs_)); }
  // Called before each wait for outcomes.
  virtual void before_wait() {}
  // Sends that many further tasks, which have these inputs.
  PARMAP_API void send(std::uint64_t count, kept_inputs inputs);
  [[nodiscard]] std::uint64_t size() const noexcept { return tasks_; }
  // Tasks that have been sent, and those that have ended.
  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  [[nodiscard]] std::uint64_t ended() const noexcept { return completed_ + failed_; }

  // Puts the value of a task into its place.
  virtual void put(std::uint64_t task, byte_reader bytes) = 0;
  // Destroys it.
  virtual void discard(std::uint64_t task) noexcept = 0;

 private:
  PARMAP_API void take_value(const pool_outcome& it, byte_reader bytes) override;
  PARMAP_API void take_failure(failure why, const pool_outcome& it) override;
  PARMAP_API void take_stopped(std::uint64_t task, std::uint64_t count, unsigned attempts, const char* why) override;

  std::uint64_t tasks_;
  kept_inputs inputs_;
  std::uint64_t sent_{};
  bit_set has_value_;
  failure_runs failures_;
  std::uint64_t completed_{};
  std::uint64_t failed_{};  // that had begun
};

template <class T, class Places>
class pool_map_of final : public pool_map {
 public:
  pool_map_of(pool_dispatcher& by, const options& chosen, std::optional<std::chrono::nanoseconds> limit,
              attempt_observer* observer, std::shared_ptr<kept_function> f, std::uint64_t tasks, Places& places)
      : pool_map(by, chosen, limit, observer, std::move(f), tasks),
        places_(places) {}

 private:
  void put(std::uint64_t task, byte_reader bytes) override {
    if constexpr (!std::is_void_v<T>) {
      decoder in(bytes);
      places_.put(task, [&in] { return in.get<T>(); });
      if (in.left() == 0) return;
      places_.discard(task);
    }
    bytes.expect_end();
  }
  void discard(std::uint64_t task) noexcept override { places_.discard(task); }

  Places& places_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/pools/pool_map.inl.hpp>
#endif
