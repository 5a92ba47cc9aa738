// SPDX-License-Identifier: MIT
// A map on the engine async as those see it who wait for it, and what does not depend on f.
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

// What f's coroutine gives when it has run.
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

// What a cancelled task is given to end, as its catch blocks may have to wait for something; half of it inside another
// task, which waits for that in its turn.
inline constexpr std::chrono::milliseconds grace{50};

// Whether the tasks in flight can be asked to end where there is no limit: it costs each worker some memory.
enum class cancellation { none, possible };

// A map of whatever f, as those see it who wait for it.
class async_run_base {
 public:
  async_run_base() = default;
  async_run_base(const async_run_base&) = delete;
  async_run_base& operator=(const async_run_base&) = delete;

  // The tasks in flight are cancelled, no other is begun, and the map ends with this exception.
  virtual void break_off(std::exception_ptr why) noexcept = 0;

 protected:
  ~async_run_base() = default;
};

// A worker's coroutine, which lets no exception pass. Not a part of async_run, so that it is compiled once.
template <class Executor>
void spawn_worker(const task_executor<Executor>& home, asio::awaitable<void> coroutine,
                  asio::cancellation_signal* cancel) {
  const auto ended = [](const std::exception_ptr&) {};
  if (cancel != nullptr)
    asio::co_spawn(home, std::move(coroutine), asio::bind_cancellation_slot(cancel->slot(), ended));
  else asio::co_spawn(home, std::move(coroutine), ended);
}

}  // namespace parmap::inline PARMAP_ABI::detail
