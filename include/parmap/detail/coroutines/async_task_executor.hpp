// SPDX-License-Identifier: MIT
// task_executor: the executor on which a task of the engine async runs. Once the task is left behind, it drops the
// task's work.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/task_scope.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>

#if __has_include(<asio/execution/execute.hpp>)
#include <asio/execution/execute.hpp>
#endif
#include <asio/prefer.hpp>
#include <asio/query.hpp>
#include <asio/require.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// A worker: runs tasks one after the other in a coroutine. Every executor that the coroutine's operations hold keeps it
// alive.
class async_worker {
 public:
  async_worker(const async_worker&) = delete;
  async_worker& operator=(const async_worker&) = delete;

  // From now on nothing runs on its executor; what is submitted there is destroyed.
  void cut_off() noexcept { cut_off_.store(true, std::memory_order_release); }
  [[nodiscard]] bool is_cut_off() const noexcept { return cut_off_.load(std::memory_order_acquire); }

  // Continues its coroutine, or other work that its task has started. `run` may throw.
  template <class Run>
  void go_on(Run& run) noexcept {
    if (is_cut_off()) return;
    const task_scope inside;
    gone_on_ = now_ticks();
    try {
      run();
    } catch (...) {
      stray(std::current_exception());
    }
  }
  // The time of the last go_on.
  [[nodiscard]] ticks gone_on() const noexcept { return gone_on_; }

 protected:
  async_worker() = default;
  ~async_worker() = default;

 private:
  // Called with an exception from a completion handler, which the task's own catch blocks cannot see.
  virtual void stray(std::exception_ptr what) noexcept = 0;

  std::atomic<bool> cut_off_{false};
  ticks gone_on_{};
};

// In Asio before 1.30 an executor's own execute may be private, and there is a function; since then there is none.
template <class Executor, class Run>
void submit(const Executor& to, Run&& run) {
#if __has_include(<asio/execution/execute.hpp>)
  asio::execution::execute(to, std::forward<Run>(run));
#else
  to.execute(std::forward<Run>(run));
#endif
}

// An Asio executor: Inner, bound to a worker. It takes 24 bytes on a plain io_context, which any_io_executor holds
// without allocating.
template <class Inner>
class task_executor {
 public:
  task_executor(std::shared_ptr<async_worker> who, Inner inner) noexcept
      : who_(std::move(who)),
        inner_(std::move(inner)) {}

  template <class Run>
  void execute(Run&& run) const {
    if (who_->is_cut_off()) {
      [[maybe_unused]] const std::decay_t<Run> dropped(std::forward<Run>(run));
      return;
    }
    submit(inner_, guarded<std::decay_t<Run>>{who_, std::forward<Run>(run)});
  }

  template <class Property>
  auto query(const Property& what) const noexcept(asio::is_nothrow_query<const Inner&, Property>::value)
      -> decltype(asio::query(std::declval<const Inner&>(), what)) {
    return asio::query(inner_, what);
  }
  template <class Property>
  auto require(const Property& what) const
      -> task_executor<std::decay_t<decltype(asio::require(std::declval<const Inner&>(), what))>> {
    return {who_, asio::require(inner_, what)};
  }
  template <class Property>
  auto prefer(const Property& what) const
      -> task_executor<std::decay_t<decltype(asio::prefer(std::declval<const Inner&>(), what))>> {
    return {who_, asio::prefer(inner_, what)};
  }

  friend bool operator==(const task_executor& a, const task_executor& b) noexcept {
    return a.who_ == b.who_ && a.inner_ == b.inner_;
  }
  friend bool operator!=(const task_executor& a, const task_executor& b) noexcept { return !(a == b); }

 private:
  template <class Run>
  struct guarded {
    std::shared_ptr<async_worker> who;
    Run run;

    void operator()() noexcept { who->go_on(run); }
  };

  std::shared_ptr<async_worker> who_;
  Inner inner_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
