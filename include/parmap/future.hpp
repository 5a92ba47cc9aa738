// SPDX-License-Identifier: MIT
// future: the outcome of a task that was submitted to a pool.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/needs_64_bit_linux.hpp>
#include <parmap/detail/pools/submitted_tasks.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/failure.hpp>
#include <parmap/outcome.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

namespace detail {
template <class T>
class submitted_task_of final : public submitted_task {
 public:
  using describe_inputs = std::string (*)(byte_reader bytes);

  // `foreign`: the text takes code of the user.
  submitted_task_of(describe_inputs text, bool foreign) noexcept : describe_(text), foreign_(foreign) {}

  void take_value(byte_reader bytes) override { outcome_.emplace(decode_outcome<T>(bytes)); }
  void take_failure(failure why) noexcept override { outcome_.emplace(std::move(why)); }
  [[nodiscard]] std::string describe(byte_reader inputs) const override { return describe_(inputs); }
  [[nodiscard]] bool takes_foreign_code() const noexcept override { return foreign_; }

  [[nodiscard]] outcome<T>& result() noexcept { return *outcome_; }

 private:
  describe_inputs describe_;
  bool foreign_;
  std::optional<outcome<T>> outcome_;
};
}  // namespace detail

/// The outcome of a task that pool::submit has sent. It can be moved, not copied; one thread at a time uses it. It may
/// be destroyed at any time: the task goes on, and nobody hears of its outcome. It may outlive the pool; a task that
/// had not ended then has failed as `stopped`.
///
///     parmap::future<double> a = workers.submit(simulate, 0.1);
///     parmap::future<double> b = workers.submit(simulate, 0.2);
///     double sum = a.get() + b.get();
///
/// The functions that wait take the outcomes of other tasks of the pool meanwhile. They throw std::runtime_error if the
/// processes of the pool have been killed, and std::bad_alloc if there is no memory for an outcome; then it is still
/// there, and the next call finds it.
template <class T>
class [[nodiscard]] future {
 public:
  /// No task.
  future() = default;
  future(future&&) noexcept = default;
  future& operator=(future&&) noexcept = default;
  future(const future&) = delete;
  future& operator=(const future&) = delete;
  ~future() = default;

  /// Whether this is a task whose value get() has not taken. All other functions need that.
  [[nodiscard]] bool valid() const noexcept { return task_ != nullptr; }
  /// The number of the task: how many had been submitted to the pool before it. context::index() in the task.
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }

  /// Waits for the outcome.
  void wait() const { static_cast<void>(wait_for(std::chrono::nanoseconds::max())); }
  /// Waits at most so long. Whether the task has ended.
  bool wait_for(std::chrono::nanoseconds patience) const {
    const std::shared_ptr<detail::submitted_tasks> all = all_.lock();
    return all == nullptr || all->wait(*task_, patience);
  }
  /// Waits, and returns the value. Throws task_failed if there is none. The future is not valid any more.
  T get() {
    wait();
    const std::shared_ptr<detail::submitted_task_of<T>> taken = std::move(task_);
    return std::move(taken->result()).value();
  }
  /// Waits, and returns the value or the failure, which stay in the future.
  [[nodiscard]] parmap::outcome<T>& outcome() {
    wait();
    return task_->result();
  }

  /// The task does not begin any more, if it has not begun. Returns whether that is so: true: it will never run, and
  /// fails as `stopped`; false: it has begun, and goes on, or it has ended. O(log n), of the n tasks that wait.
  bool cancel() {
    const std::shared_ptr<detail::submitted_tasks> all = all_.lock();
    return all != nullptr && all->cancel(number_);
  }
  /// Ends the task, and waits until it has ended. One that runs is killed with its worker, which is replaced. It fails
  /// as `stopped`, unless it had ended.
  void kill() {
    if (const std::shared_ptr<detail::submitted_tasks> all = all_.lock()) all->kill(number_, *task_);
  }

 private:
  friend class pool;
  future(const std::shared_ptr<detail::submitted_tasks>& all, std::shared_ptr<detail::submitted_task_of<T>> task,
         std::uint64_t number) noexcept
      : all_(all),
        task_(std::move(task)),
        number_(number) {}

  std::weak_ptr<detail::submitted_tasks> all_;
  std::shared_ptr<detail::submitted_task_of<T>> task_;
  std::uint64_t number_{};
};

}  // namespace parmap::inline PARMAP_ABI
