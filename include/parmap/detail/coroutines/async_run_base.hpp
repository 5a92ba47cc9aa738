// SPDX-License-Identifier: MIT
// async_run_base: what code that waits for an async map needs of it, and the parts that do not depend on f.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/coroutines/async_task_executor.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>

#include <chrono>
#include <exception>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// The result type of f's coroutine.
template <class T>
struct awaited {
  static constexpr bool known = false;
  using type = T;
};
template <class T>
struct awaited<asio::awaitable<T>> {
  static constexpr bool known = true;
  using type = std::remove_cvref_t<T>;
};

// The time that a cancelled task gets to end, as its catch blocks may have to wait. Half of it inside another task,
// whose own grace has to cover that time.
inline constexpr std::chrono::milliseconds grace{50};

// Whether tasks in flight can be cancelled in a map without a timeout; this costs each worker some memory.
enum class cancellation { none, possible };

// An async map, independent of f.
class async_run_base {
 public:
  async_run_base() = default;
  async_run_base(const async_run_base&) = delete;
  async_run_base& operator=(const async_run_base&) = delete;

  // Cancels the tasks in flight and begins no more; the map ends with this exception.
  virtual void break_off(std::exception_ptr why) noexcept = 0;

 protected:
  ~async_run_base() = default;
};

// Starts a worker's coroutine, which throws no exception. Outside async_run, so that it is compiled once per executor.
template <class Executor>
void spawn_worker(const task_executor<Executor>& home, asio::awaitable<void> coroutine,
                  asio::cancellation_signal* cancel) {
  const auto ended = [](const std::exception_ptr&) {};
  if (cancel != nullptr)
    asio::co_spawn(home, std::move(coroutine), asio::bind_cancellation_slot(cancel->slot(), ended));
  else asio::co_spawn(home, std::move(coroutine), ended);
}

}  // namespace parmap::inline PARMAP_ABI::detail
