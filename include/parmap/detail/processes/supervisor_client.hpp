// SPDX-License-Identifier: MIT
// supervisor_client: what a supervisor serves that is a process of its own.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/attempt_span.hpp>
#include <parmap/failure.hpp>

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// What the caller says of single tasks of a pool. The supervisor asks in its own process.
class task_orders {
 public:
  task_orders(const task_orders&) = delete;
  task_orders& operator=(const task_orders&) = delete;

  // The shortest time that any attempt may take, of those that may run now; no_limit: any time.
  [[nodiscard]] virtual std::chrono::nanoseconds shortest_limit() const noexcept = 0;
  // Whether worker w is to be killed if it runs this task.
  [[nodiscard]] virtual bool ends(unsigned w, std::uint64_t task) const noexcept = 0;

 protected:
  task_orders() = default;
  ~task_orders() = default;
};

// What a supervisor of a stream serves: the caller is another process then.
class supervisor_client {
 public:
  supervisor_client(const supervisor_client&) = delete;
  supervisor_client& operator=(const supervisor_client&) = delete;

  // Takes the failure of a task, whose last attempt was worker w's.
  virtual void add_failure(const failure& why, unsigned w, attempt_span when) = 0;
  // Of a pool: whether the supervisor need not look after limits, as no attempt that runs has one. Who begins one wakes
  // it.
  [[nodiscard]] virtual bool doze() noexcept = 0;
  // A worker has died, and its claim is recovered.
  virtual void worker_has_died() noexcept = 0;
  // Adds descriptors that wake the supervisor.
  virtual void watch(std::vector<pollfd>& fds) const = 0;
  // Called when the supervisor has woken. False: end all at once, nobody takes outcomes any more.
  [[nodiscard]] virtual bool look() = 0;
  // What is said of single tasks; null: they are all alike.
  [[nodiscard]] virtual const task_orders* orders() const noexcept = 0;

 protected:
  supervisor_client() = default;
  ~supervisor_client() = default;
};

}  // namespace parmap::inline PARMAP_ABI::detail
