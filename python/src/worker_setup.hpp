// SPDX-License-Identifier: MIT
// worker_setup: the state of a map or stream on forked workers, as the hooks of the fork and the worker find it; and
// the calls in a worker.
#pragma once

#include "exception_transport.hpp"
#include "fork_counter.hpp"
#include "interpreter_shutdown.hpp"
#include "large_buffer_file.hpp"
#include "map_of_thread.hpp"
#include "python_map.hpp"
#include "result_list.hpp"
#include "spawned_worker.hpp"

#include <nanobind/nanobind.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

namespace parmap::python {

// The state of the map that this thread is in; after the fork, that of the worker. Maps nest.
class worker_setup {
 public:
  worker_setup(const request& asked, const process_needs& needs, unsigned workers, lookout& watch,
               large_buffer_file& buffers)
      : watch_(watch),
        make_setup_(asked.setup),
        max_tasks_(asked.max_tasks),
        begin_(needs.begin),
        finish_(needs.finish),
        before_fork_(needs.before_fork),
        begin_supervisor_(needs.begin_supervisor),
        flush_(needs.flush),
        workers_(workers),
        buffers_(buffers),
        outer_(std::exchange(current_map.setup, this)) {}
  worker_setup(const worker_setup&) = delete;
  worker_setup& operator=(const worker_setup&) = delete;
  ~worker_setup() { current_map.setup = outer_; }

  [[nodiscard]] static worker_setup* current() noexcept { return current_map.setup; }

  // In the caller. Returns the buffers that were flushed. What fails is ignored, as the C library does at exit; what a
  // signal handler raises there ends the map.
  nanobind::object before_fork() const noexcept {
    nanobind::object buffers = call(before_fork_);
    if (!buffers.is_valid()) keep_interrupt();
    return buffers;
  }
  void keep_interrupt() const noexcept {
    if (nanobind::object raised = forget_failure(); raised.is_valid()) watch_.set_interrupt(std::move(raised));
  }
  // In a worker that ends. What the caller's signal handlers raise in it, outside its tasks, is nobody's.
  void last_flush() const noexcept {
    if (!call(flush_).is_valid()) forget_exception();
  }
  [[nodiscard]] large_buffer_file& buffers() const noexcept { return buffers_; }
  [[nodiscard]] lookout& watch() const noexcept { return watch_; }
  [[nodiscard]] std::uint64_t max_tasks() const noexcept { return max_tasks_; }
  // The list in the caller that receives the results.
  void give(result_list& places) noexcept { places_ = &places; }
  void pause() noexcept {
    if (places_ != nullptr) places_->pause();
  }
  // Workers will be programs of their own.
  void start(worker_program& what) noexcept { program_ = &what; }
  [[nodiscard]] worker_program* to_start() const noexcept { return program_; }
  // This process is such a program, not forked from Python. `unfit` is the failure of every task, or None.
  void in_program(nanobind::handle unfit) {
    in_program_ = true;
    if (!unfit.is_none()) error_ = nanobind::borrow(unfit);
  }
  [[nodiscard]] bool is_program() const noexcept { return in_program_; }

  // An exception here becomes the failure of every task of this worker, as there is no other way to report it.
  void begin() noexcept {
    if (error_.is_valid()) return;
    const nanobind::object workers = nanobind::steal(PyLong_FromUnsignedLong(workers_));
    const nanobind::object number = nanobind::steal(PyLong_FromUnsignedLongLong(fork_counter::number_of_worker()));
    if (!nanobind::steal(PyObject_CallFunctionObjArgs(begin_.ptr(), workers.ptr(), number.ptr(), nullptr)).is_valid())
      error_ = take_exception();
  }
  void set_up() noexcept {
    if (error_.is_valid() || make_setup_.is_none()) return;
    const nanobind::object mine = nanobind::steal(PyObject_CallNoArgs(make_setup_.ptr()));
    if (mine.is_valid() && nanobind::steal(PyObject_CallMethod(mine.ptr(), "enter", nullptr)).is_valid())
      leave_ = nanobind::steal(PyObject_GetAttrString(mine.ptr(), "leave"));
    if (!leave_.is_valid()) error_ = take_exception();
  }
  [[nodiscard]] bool has_setup() const noexcept { return !make_setup_.is_none(); }
  void finish() const noexcept {
    PyObject* const leave = leave_.is_valid() ? leave_.ptr() : Py_None;
    if (!nanobind::steal(PyObject_CallOneArg(finish_.ptr(), leave)).is_valid()) PyErr_WriteUnraisable(finish_.ptr());
  }
  [[nodiscard]] const nanobind::object& error() const noexcept { return error_; }

  void note_longest(const running_longest& task) noexcept { longest_ = task; }
  [[nodiscard]] const std::optional<running_longest>& longest() const noexcept { return longest_; }
  // Workers that were killed as they took too long to end, and what the first of them was doing.
  struct cut_offs {
    std::atomic<unsigned> count{0};
    std::atomic<int> doing{0};
  };
  // Of a stream, which hears of it in another process: memory that the caller shares with that.
  void count_cut_off_in(cut_offs& shared) noexcept { cut_off_ = &shared; }
  void note_cut_off(int doing) noexcept {
    if (cut_off_->count.fetch_add(1) == 0) cut_off_->doing.store(doing);
  }
  [[nodiscard]] bool was_cut_off() const noexcept { return cut_off_->count.load() > 0; }
  [[nodiscard]] nanobind::object cut_off() const {
    return nanobind::make_tuple(cut_off_->count.load(), cut_off_->doing.load());
  }
  // Of a stream: in the process that supervises its workers.
  void supervise() noexcept { supervises_ = true; }
  [[nodiscard]] bool supervises() const noexcept { return supervises_; }
  [[nodiscard]] nanobind::handle begin_supervisor() const noexcept { return begin_supervisor_; }

 private:
  static nanobind::object call(nanobind::handle what) noexcept {
    const call_out here;
    return nanobind::steal(unless_python_ends([what] { return PyObject_CallNoArgs(what.ptr()); }));
  }

  lookout& watch_;
  nanobind::handle make_setup_;
  std::uint64_t max_tasks_;
  nanobind::handle begin_;
  nanobind::handle finish_;
  nanobind::handle before_fork_;
  nanobind::handle begin_supervisor_;
  nanobind::handle flush_;
  unsigned workers_;
  large_buffer_file& buffers_;
  result_list* places_{};
  worker_program* program_{};
  bool in_program_{};
  std::optional<running_longest> longest_;
  bool supervises_{};
  cut_offs own_cut_offs_;
  cut_offs* cut_off_{&own_cut_offs_};
  nanobind::object error_;
  nanobind::object leave_;  // ends what set_up() began
  worker_setup* outer_;
};

class worker_calls {
 public:
  struct scope {
    scope(worker_calls&, context&) {}
  };

  [[nodiscard]] value run(std::uint64_t, context&, call_plan::cursor& at) const {
    if (const nanobind::object& error = worker_setup::current()->error(); error.is_valid()) {
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
      throw_packed();
    }
    PyObject* const made = at.call();
    if (made == nullptr) throw_packed();
    return value(made);
  }
};

}  // namespace parmap::python
