// SPDX-License-Identifier: MIT
// The engine multi for Python: what the interpreter must do at forks and sleeps, and the calls in a worker.
#include "free_threading.hpp"
#include "printed_output.hpp"
#include "python_map.hpp"
#include "recorder.hpp"
#include "result_buffer.hpp"
#include "result_list.hpp"
#include "spawned_worker.hpp"
#include "worker_setup.hpp"

#include <parmap/detail/progress/stop_now.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/detail/system/language_runtime.hpp>

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// The caller holds the GIL except while it sleeps. So it holds it at a fork, and a worker has it.
class interpreter final : public detail::language_runtime {
 public:
  bool starts_programs() noexcept override { return worker_setup::current()->to_start() != nullptr; }
  void start_program(const detail::worker_assignment& mine, int memory) noexcept override {
    const large_buffer_file& buffers = worker_setup::current()->buffers();
    ctrl_c_.reset();
    worker_setup::current()->to_start()->start({mine, memory, buffers.file(), buffers.worker()});
  }
  // Ctrl-C is held back meanwhile: an exception that it raised in a Python hook of the fork would be printed and lost.
  // SIGINT is blocked for the worker; another thread of this process may still receive it.
  void before_fork() noexcept override {
    if (!worker_setup::current()->supervises()) {
      ctrl_c_.emplace();
      worker_setup::current()->watch().keep_ctrl_c_off();
    }
    if (!starts_programs()) {  // a child that becomes a program runs no Python before
      const nb::object buffers = worker_setup::current()->before_fork();
      const call_out here;
      if constexpr (free_threaded) wait_for_locks_of(buffers);
      unless_python_ends([] { PyOS_BeforeFork(); });
      if constexpr (!free_threaded) wait_for_locks_of(buffers);
    }
    worker_setup::current()->buffers().next_worker();
    fork_counter::begin_worker_fork();
  }
  void after_fork() noexcept override {
    fork_counter::end_worker_fork();
    if (!starts_programs()) {
      const call_out here;
      unless_python_ends([] { PyOS_AfterFork_Parent(); });
    }
    if (worker_setup::current()->supervises()) return;
    ctrl_c_.reset();
    worker_setup::current()->watch().let_ctrl_c_in();
  }
  // A copy of the caller that runs no Python but the hooks of its forks and retry_if. All signals are blocked in it.
  void begin_supervisor() noexcept override {
    fork_counter::end_worker_fork();
    ctrl_c_.reset();  // of the caller's fork; everything stays blocked
    worker_setup::current()->supervise();
    if (starts_programs()) return;  // it runs no Python at all
    async_exception::of_this_thread().begin_worker();
    PyOS_AfterFork_Child();
    const nb::handle begin = worker_setup::current()->begin_supervisor();
    if (!nb::steal(PyObject_CallNoArgs(begin.ptr())).is_valid()) PyErr_WriteUnraisable(begin.ptr());
  }
  void end_supervisor() noexcept override {
    if (!starts_programs()) worker_setup::current()->last_flush();
  }
  void begin_worker(unsigned) noexcept override {
    // Python's handler of Ctrl-C is replaced below. A supervisor, which blocks all signals, has not blocked SIGINT for
    // the worker.
    if (worker_setup::current()->supervises()) ctrl_c_.emplace();
    fork_counter::end_worker_fork();
    async_exception::of_this_thread().begin_worker();
    if (!worker_setup::current()->is_program()) PyOS_AfterFork_Child();
    worker_setup::current()->begin();
    printed_output::of_this_process().watch();
    ctrl_c_.reset();
    worker_setup::current()->set_up();
  }
  [[nodiscard]] bool ends_what_it_begins() const noexcept override { return worker_setup::current()->has_setup(); }
  // Streams of Python have buffers that the C library does not know.
  [[nodiscard]] bool buffers_output() const noexcept override { return true; }
  void flush_output() noexcept override { printed_output::of_this_process().flush(); }
  // As in workers of multiprocessing: handlers of atexit are for the end of an interpreter.
  [[nodiscard]] bool runs_exit_handlers() const noexcept override { return false; }
  [[nodiscard]] std::uint64_t most_tasks_of_worker() const noexcept override {
    return worker_setup::current()->max_tasks();
  }
  // For other threads that init or tasks have started.
  void before_wait() noexcept override {
    PyThreadState* const mine = PyThreadState_Get();
    if (PyInterpreterState_ThreadHead(PyInterpreterState_Get()) != mine || PyThreadState_Next(mine) != nullptr)
      waits_ = PyEval_SaveThread();
  }
  void after_wait() noexcept override {
    if (waits_ != nullptr) PyEval_RestoreThread(std::exchange(waits_, nullptr));
  }
  void finish_worker() noexcept override {
    if (Py_IsInitialized() != 0 && PyGILState_Check() != 0) worker_setup::current()->finish();
  }
  void cut_off_worker(int doing) noexcept override { worker_setup::current()->note_cut_off(doing); }
  void note_longest_task(std::uint64_t task, std::chrono::nanoseconds spent) noexcept override {
    worker_setup::current()->note_longest({task, spent});
  }
  void end_worker() noexcept override {
    if (Py_IsInitialized() != 0 && PyGILState_Check() != 0) worker_setup::current()->last_flush();
  }
  void before_sleep() noexcept override {
    if (sleeps_without_gil()) return;
    worker_setup::current()->pause();
    asleep_ = PyEval_SaveThread();
  }
  void after_sleep() override {
    if (sleeps_without_gil()) return;
    unless_python_ends([] { PyEval_RestoreThread(std::exchange(asleep_, nullptr)); });
  }

 private:
  // A thread that waits for a pool is in no map, and has released the GIL. A supervisor that runs no Python is a copy
  // of a thread that held it, and leaves it alone.
  bool sleeps_without_gil() noexcept {
    const worker_setup* const here = worker_setup::current();
    return here == nullptr || (here->supervises() && here->to_start() != nullptr);
  }
  // A thread inside a write holds a buffer's lock without the GIL. In a worker that lock would be held for ever. From
  // here to the fork no bytecode runs and nothing is left to be written, so no other thread gets the GIL to take a
  // lock. Two rounds, because waiting for one buffer lets other threads take the lock of an earlier one.
  // Without a GIL, PyOS_BeforeFork() stops the other threads where they are, also within a write, so the wait has to
  // come before it. What takes a lock in between is left to the worker, which renews such streams (_streams.py).
  static void wait_for_locks_of(const nb::object& buffers) noexcept {
    if (!buffers.is_valid() || !PyList_CheckExact(buffers.ptr())) return;
    for (int round = 0; round < 2; ++round)
      for (Py_ssize_t k = 0; k < PyList_GET_SIZE(buffers.ptr()); ++k) {
        PyObject* const each = PyList_GET_ITEM(buffers.ptr(), k);
        const auto flush = [each] { return PyObject_CallMethod(each, "flush", nullptr); };
        if (!nb::steal(unless_python_ends(flush)).is_valid()) worker_setup::current()->keep_interrupt();
      }
  }

  // Blocks SIGINT in this thread for its lifetime.
  class ctrl_c_blocked {
   public:
    ctrl_c_blocked() noexcept {
      sigset_t one;
      sigemptyset(&one);
      sigaddset(&one, SIGINT);
      ::pthread_sigmask(SIG_BLOCK, &one, &before_);
    }
    ctrl_c_blocked(const ctrl_c_blocked&) = delete;
    ctrl_c_blocked& operator=(const ctrl_c_blocked&) = delete;
    ~ctrl_c_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

   private:
    sigset_t before_{};
  };

  static inline thread_local PyThreadState* asleep_{};
  static inline PyThreadState* waits_{};  // in a worker
  static inline thread_local std::optional<ctrl_c_blocked> ctrl_c_{};
};

}  // namespace

void install_processes() {
  static interpreter here;
  detail::language_runtime::install(here);
  install_buffers();
  fork_counter::begin();
}

nb::object run_multi(const request& asked, const process_needs& needs) {
  const call_plan plan(asked.func, asked.axes, asked.fargs);
  const unsigned most = asked.chosen.workers != 0 ? asked.chosen.workers : detail::usable_cores();
  const async_exception::kept_off until_the_end;
  lookout watch(asked, plan.size());
  large_buffer_file buffers;
  worker_setup setup(asked, needs, static_cast<unsigned>(std::clamp<std::uint64_t>(plan.size(), 1, most)), watch,
                     buffers);
  std::optional<worker_program> other;
  if (!needs.program.is_none())
    setup.start(other.emplace(needs.program.attr("arguments"), nb::cast<int>(needs.program.attr("job"))));
  const value_transport transport(needs.pickling, needs.scalar_types, buffers,
                                  [&watch](const nb::object& error) { return watch.insisted(error); });
  result_list places(asked.values, needs.pending, plan.size());
  setup.give(places);
  options chosen = asked.chosen;
  std::stop_source stop;
  if (!asked.stop.is_none()) chosen.stop = stop.get_token();
  chosen.reporter = [&](const progress& now) {
    bool go_on = watch.no_interrupt();
    if (go_on && watch.asked_to_stop()) stop.request_stop();
    if (go_on) {
      watch.show(now.done(), now.failed, setup.longest());
      go_on = !watch.interrupted() && !(asked.stop_at_failure && now.failed > 0);
    }
    if (now.finished) {  // the rest of the results is read after this report
      watch.keep_ctrl_c_off();
      places.begin();
    } else if (!go_on) {
      throw detail::stop_now();
    }
  };
  worker_calls calls;
  map_observers observers(asked.times, asked.recorder);
  const python_tasks<value, worker_calls> tasks(plan, calls, observers.first());
  const auto all = multi.run_into(list_places(places), tasks, chosen);
  places.pause();
  observers.tell_times(asked.measured);
  add_failures(asked, all.failures());
  if (setup.was_cut_off() && PyList_Append(asked.ends.ptr(), setup.cut_off().ptr()) != 0) throw nb::python_error();
  static_cast<void>(watch.no_interrupt());
  return watch.interrupt();
}

}  // namespace parmap::python
