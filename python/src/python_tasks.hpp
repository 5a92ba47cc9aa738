// SPDX-License-Identifier: MIT
// The tasks of a Python map as the engines see them: axes, calls, and the state that a task can ask for.
#pragma once

#include "exception_transport.hpp"
#include "value_transport.hpp"

#include <nanobind/nanobind.h>

#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/parmap.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::python {

/// The task that this thread runs. Tasks nest, as maps do.
class running_task {
 public:
  explicit running_task(context& self) noexcept : self_(&self), outer_(std::exchange(innermost_, this)) {}
  running_task(const running_task&) = delete;
  running_task& operator=(const running_task&) = delete;
  ~running_task() {
    Py_XDECREF(generator_);
    innermost_ = outer_;
  }

  /// Null outside a task.
  [[nodiscard]] static running_task* current() noexcept { return innermost_; }

  [[nodiscard]] const context& self() const noexcept { return *self_; }
  /// Returns the generator that make() returned when this task first asked for it.
  template <class Make>
  PyObject* generator(const Make& make) {
    if (generator_ == nullptr) generator_ = make();
    return generator_;
  }
  /// Begins the next task, or another attempt.
  void begin() noexcept { Py_CLEAR(generator_); }

 private:
  context* self_;
  running_task* outer_;
  PyObject* generator_{};

  static inline thread_local running_task* innermost_{};
};

/// The elements of an input that a stream reads as it goes.
class lazy_items {
 public:
  lazy_items() = default;
  lazy_items(const lazy_items&) = delete;
  lazy_items& operator=(const lazy_items&) = delete;

  /// Element e, which has been read and is not dropped: a new reference, or null with an exception set.
  [[nodiscard]] virtual PyObject* item(std::uint64_t e) = 0;

 protected:
  ~lazy_items() = default;
};

/// One iterable, read by index. A list or tuple is read directly, a range is computed, anything else is asked by
/// __getitem__.
class axis {
 public:
  explicit axis(nanobind::handle items);
  axis(lazy_items& items, std::uint64_t size) noexcept : lazy_(&items), kind_(kind::lazy), size_(size) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// Returns a new reference, or null with an exception set.
  [[nodiscard]] PyObject* item(std::uint64_t i) const;

 private:
  enum class kind { list, tuple, range, other, lazy };

  PyObject* items_{};
  lazy_items* lazy_{};
  kind kind_{kind::other};
  std::uint64_t size_{};
  long long start_{};
  long long step_{};
};

/// func, its axes and its fixed keyword arguments, all borrowed. Use it with the GIL held.
class call_plan {
 public:
  /// `axes` is a tuple of tuples. The axes in one inner tuple are equally long and walked in lockstep.
  /// `first`: the elements of the first axis, if a stream reads them as it goes; size() is then the most that there can
  /// be.
  call_plan(nanobind::handle func, nanobind::handle axes, nanobind::handle fargs, lazy_items* first = nullptr);

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// The combinations of the axes behind the first group.
  [[nodiscard]] std::uint64_t tasks_of_one() const noexcept { return tasks_of_one_; }
  /// The arguments from the axes of task i, as a tuple: a new reference, or null with an exception set.
  [[nodiscard]] PyObject* task(std::uint64_t i) const;

  /// Walks the tasks from i on, one after the other.
  class cursor {
   public:
    cursor(const call_plan& plan, std::uint64_t i);
    cursor(const cursor&) = delete;
    cursor& operator=(const cursor&) = delete;
    ~cursor();

    /// A new reference, or null with an exception set.
    [[nodiscard]] PyObject* call();
    void advance() noexcept;

   private:
    [[nodiscard]] bool fetch();

    const call_plan& plan_;
    std::vector<std::uint64_t> at_;     // position in each group of axes
    std::size_t stale_{0};              // groups from here on have to be fetched
    std::vector<PyObject*> arguments_;  // a free place, the axes' elements, the fixed arguments
  };

 private:
  friend class cursor;

  struct group {
    std::vector<axis> axes;
    std::uint64_t size;
    std::size_t first;  // index of its first argument
  };

  PyObject* func_;
  std::vector<group> groups_;
  std::vector<PyObject*> fixed_;
  nanobind::object names_;  // names of the fixed arguments
  std::size_t given_{};     // arguments from axes
  std::uint64_t size_{1};
  std::uint64_t tasks_of_one_{1};
};

/// Runs a task, for one engine. An engine that `tells_of_tasks` lets parmap.context() know by itself what runs, as
/// greenlets of one thread may each be in a map of it. Result is what the engine transports: `value` from a worker
/// process; void in this process, where tasks write directly to the list of results. `observer` hears of each attempt,
/// if it is not null; it must outlive the map.
template <class Result, class Around>
class python_tasks {
 public:
  using result = Result;
  static constexpr bool takes_context = true;

  python_tasks(const call_plan& plan, Around& around, detail::attempt_observer* observer = nullptr) noexcept
      : plan_(plan),
        around_(around),
        observer_(observer) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return plan_.size(); }
  [[nodiscard]] detail::attempt_observer* observer() const noexcept { return observer_; }

  template <class Step>
  void for_each(std::uint64_t b, std::uint64_t e, context& self, Step&& step) const {
    if (b >= e) return;
    const typename Around::scope here(around_, self);
    call_plan::cursor at(plan_, b);
    std::optional<running_task> task;
    if constexpr (!requires { Around::tells_of_tasks; }) task.emplace(self);
    for (std::uint64_t i = b; i < e; ++i, at.advance()) {
      const auto call = [&]() -> Result {
        if (task) task->begin();
        return around_.run(i, self, at);
      };
      if (!step(i, call)) return;
    }
  }
  // Called by engines of threads.
  void end_worker(context& self) const noexcept
    requires requires(Around& around) { around.end_worker(self); }
  {
    around_.end_worker(self);
  }

 private:
  const call_plan& plan_;
  Around& around_;
  detail::attempt_observer* observer_;
};

}  // namespace parmap::python
