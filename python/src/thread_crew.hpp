// SPDX-License-Identifier: MIT
// thread_crew: the threads of one map or stream on the engine threads, as Python sees them.
#pragma once

#include "exception_transport.hpp"
#include "python_map.hpp"
#include "thread_seat.hpp"

#include <nanobind/nanobind.h>

#include <parmap/detail/schedule/deadline.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace parmap::python {

// Holds the GIL in a thread that the interpreter did not create. Such a thread keeps its thread state, so that what a
// task stores in threading.local is there for the next task.
class gil {
 public:
  gil() {
    unless_python_ends([this] {
      if (PyGILState_GetThisThreadState() == nullptr) {
        static_cast<void>(PyGILState_Ensure());
        static_cast<void>(PyEval_SaveThread());
      }
      before_ = PyGILState_Ensure();
    });
  }
  gil(const gil&) = delete;
  gil& operator=(const gil&) = delete;
  ~gil() { PyGILState_Release(before_); }

 private:
  PyGILState_STATE before_{};
};

// What the threads of one map or stream use: their places, and how a task is called there. They may outlive the call:
// the last user frees it, with the GIL held.
class thread_crew {
 public:
  thread_crew(const request& asked, const thread_needs& needs, unsigned workers)
      : keep_{nanobind::borrow(asked.func),
              nanobind::borrow(asked.axes),
              nanobind::borrow(asked.fargs),
              nanobind::borrow(asked.setup),
              nanobind::borrow(needs.late),
              nanobind::borrow(needs.stopped),
              nanobind::borrow(needs.begin),
              nanobind::borrow(needs.end),
              nanobind::borrow(needs.begin_task),
              needs.raised,
              asked.values,
              asked.ends},
        raised_(needs.raised.ptr()),
        make_setup_(asked.setup),
        ends_(asked.ends.ptr()),
        begin_(needs.begin),
        end_(needs.end),
        begin_task_(needs.begin_task),
        context_(nanobind::steal(PyContext_CopyCurrent())),
        late_(needs.late),
        stopped_(needs.stopped),
        retries_(asked.chosen.retries),
        timeout_(asked.chosen.timeout),
        last_(asked.chosen.deadline),
        workers_(workers) {}
  thread_crew(const thread_crew&) = delete;
  thread_crew& operator=(const thread_crew&) = delete;

  // ---- Called by the threads that run tasks.

  void begin_worker(unsigned worker) {
    thread_seat& mine = workers_[worker];
    if (std::exchange(mine.ready, true)) return;
    unless_python_ends([&] {
      const nanobind::object number = nanobind::steal(PyLong_FromUnsignedLong(worker));
      if (!nanobind::steal(PyObject_CallOneArg(begin_.ptr(), number.ptr())).is_valid())
        PyErr_WriteUnraisable(begin_.ptr());
      mine.context = nanobind::steal(PyContext_Copy(context_.ptr()));
      if (make_setup_.is_none() || !mine.context.is_valid()) return;
      const within here(mine.context);
      const nanobind::object setup = nanobind::steal(PyObject_CallNoArgs(make_setup_.ptr()));
      if (setup.is_valid() && nanobind::steal(PyObject_CallMethod(setup.ptr(), "enter", nullptr)).is_valid())
        mine.leave = nanobind::steal(PyObject_GetAttrString(setup.ptr(), "leave"));
      if (!mine.leave.is_valid()) mine.unfit = take_exception();
    });
  }

  // The thread runs no more tasks of the map.
  void end_worker(context& self) noexcept {
    if (make_setup_.is_none() && end_.is_none()) return;
    const gil held;
    unless_python_ends([&] {
      thread_seat& mine = workers_[self.worker()];
      if (const nanobind::object leave = std::move(mine.leave); leave.is_valid()) {
        const within here(mine.context);
        if (!nanobind::steal(PyObject_CallNoArgs(leave.ptr())).is_valid()) {
          const nanobind::object error = take_exception();
          if (PyList_Append(ends_, error.ptr()) != 0) PyErr_WriteUnraisable(ends_);
        }
      }
      if (mine.ready && !end_.is_none() && !nanobind::steal(PyObject_CallNoArgs(end_.ptr())).is_valid())
        PyErr_WriteUnraisable(end_.ptr());
    });
  }

  // Runs a task: a new reference. Throws foreign_exception.
  PyObject* call(std::uint64_t i, const context& self, call_plan::cursor& at) {
    thread_seat& mine = workers_[self.worker()];
    return unless_python_ends([&] {
      if (mine.unfit.is_valid()) fail(i, self, mine.unfit);
      mine.begin(i);
      PyObject* const made = call_in_context(mine, at);
      async_exception* const asked = mine.end();
      nanobind::object error = made == nullptr ? take_exception() : nanobind::object();
      if (asked != nullptr) asked->withdraw();  // in case it came too late
      if (made == nullptr) fail(i, self, error);
      return made;
    });
  }
  void count_value(const context& self) noexcept { workers_[self.worker()].count(true); }

  // ---- Called by another thread, with the GIL held.

  [[nodiscard]] tasks_ended ended_tasks() const noexcept {
    tasks_ended all{};
    for (const thread_seat& each : workers_) each.add_to(all);
    return all;
  }
  [[nodiscard]] std::optional<running_longest> longest() const {
    std::optional<thread_seat::running> found;
    for (const thread_seat& each : workers_)
      if (const auto now = each.now_running(); now && (!found || now->begun < found->begun)) found = now;
    if (!found) return {};
    return running_longest{found->task, thread_seat::clock::now() - found->begun};
  }
  // Raises an exception of this class in every running task, at its next bytecode.
  void raise_everywhere(nanobind::handle type) noexcept {
    for (thread_seat& each : workers_) each.raise(type);
  }
  // Raises TaskNotRun in every running task when the grace after the deadline is over. Returns when to check again.
  thread_seat::clock::time_point enforce_deadline(thread_seat::clock::time_point now) noexcept {
    if (asked_to_end_ || now < last_.end_all())
      return asked_to_end_ ? thread_seat::clock::time_point::max() : last_.end_all();
    asked_to_end_ = true;
    raise_everywhere(stopped_);
    return thread_seat::clock::time_point::max();
  }
  // Raises the timeout exception once in each task that is late. Returns when to check again.
  thread_seat::clock::time_point enforce_limit(thread_seat::clock::time_point now) noexcept {
    if (!timeout_) return thread_seat::clock::time_point::max();
    const auto limit = *timeout_;
    auto next =
        limit < thread_seat::clock::time_point::max() - now ? now + limit : thread_seat::clock::time_point::max();
    for (thread_seat& each : workers_)
      if (const auto due = each.raise_if_late(now, limit, late_)) next = std::min(next, *due);
    return next;
  }
  // This time did not count against the tasks.
  void forgive(thread_seat::clock::duration stopped) noexcept {
    for (thread_seat& each : workers_) each.forgive(stopped);
  }
  [[nodiscard]] PyObject* raised() const noexcept { return raised_; }
  int traverse(visitproc visit, void* arg) const {
    for (const nanobind::object& each : keep_) Py_VISIT(each.ptr());
    return 0;
  }

 private:
  // Runs this thread in a context (contextvars) for its lifetime.
  class within {
   public:
    explicit within(const nanobind::object& context) noexcept : context_(context) { PyContext_Enter(context_.ptr()); }
    within(const within&) = delete;
    within& operator=(const within&) = delete;
    ~within() {
      PyObject* type = nullptr;
      PyObject* error = nullptr;
      PyObject* trace = nullptr;
      PyErr_Fetch(&type, &error, &trace);  // of what ran in it
      PyContext_Exit(context_.ptr());
      PyErr_Restore(type, error, trace);
    }

   private:
    const nanobind::object& context_;
  };

  // A copy for each task: a context can be entered by one thread at a time, and no task changes another's.
  PyObject* call_in_context(const thread_seat& mine, call_plan::cursor& at) {
    const nanobind::object context =
        nanobind::steal(mine.context.is_valid() ? PyContext_Copy(mine.context.ptr()) : nullptr);
    if (!context.is_valid()) return PyErr_Occurred() != nullptr ? nullptr : PyErr_NoMemory();
    const within here(context);
    if (!begin_task_.is_none() && !nanobind::steal(PyObject_CallNoArgs(begin_task_.ptr())).is_valid()) return nullptr;
    return at.call();
  }

  [[noreturn]] void fail(std::uint64_t i, const context& self, const nanobind::object& error) {
    const nanobind::int_ index(i);
    if (PyDict_SetItem(raised_, index.ptr(), error.ptr()) != 0) PyErr_Clear();  // memory has run out; its text is told
    if (self.attempt() > retries_) workers_[self.worker()].count(false);
    throw_in_words(error);
  }

  std::vector<nanobind::object> keep_;
  PyObject* raised_;
  nanobind::handle make_setup_;
  PyObject* ends_;
  nanobind::handle begin_;
  nanobind::handle end_;
  nanobind::handle begin_task_;
  nanobind::object context_;  // the caller's, as the map begins
  nanobind::handle late_;
  nanobind::handle stopped_;
  unsigned retries_;
  std::optional<std::chrono::nanoseconds> timeout_;
  detail::deadline last_;
  bool asked_to_end_{};
  std::vector<thread_seat> workers_;
};

}  // namespace parmap::python
