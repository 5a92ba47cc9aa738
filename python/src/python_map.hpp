// SPDX-License-Identifier: MIT
// One Python map on an engine: its request, the signals and the reporter that it watches, the failures that it reports.
#pragma once

#include "async_exception.hpp"
#include "interpreter_shutdown.hpp"
#include "map_of_thread.hpp"
#include "python_tasks.hpp"

#include <nanobind/nanobind.h>

#include <parmap/detail/traces/map_recorder.hpp>
#include <parmap/parmap.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace parmap::python {

/// What parmap() asks of an engine. It has been checked.
struct request {
  nanobind::object func;
  nanobind::object axes;    // tuple of tuples of sequences, see call_plan
  nanobind::object fargs;   // dict
  nanobind::list values;    // one place for each task, to be filled; still empty for multi
  nanobind::list told;      // receives each failure: (index, kind, message: bytes, attempts, status)
  nanobind::list measured;  // receives what the option times measures, see map_observers
  nanobind::list ends;      // receives what went wrong at the ends of workers, see _arguments.Request
  nanobind::object report;  // report(done, total, failed, longest), or None
  nanobind::object setup;   // makes a parmap._setup.Setup for each worker, or None
  nanobind::object stop;    // has is_set(), which ends the map early, or None
  nanobind::object ctrl_c;  // a parmap._interrupt.CtrlC
  options chosen;           // with a seed, without a reporter
  bool stop_at_failure;     // at once, even running tasks
  std::uint64_t max_tasks;  // of one worker process; 0: any number
  bool times;
  std::shared_ptr<detail::map_recorder> recorder;  // null without a trace and a status file
};

/// The task that has been running for longest.
struct running_longest {
  std::uint64_t task;
  std::chrono::duration<double> spent;
};

/// What the calling thread does while others work: it handles signals and calls the reporter. Used only by that thread,
/// with the GIL held.
class lookout {
 public:
  lookout(const request& asked, std::optional<std::uint64_t> tasks) noexcept
      : report_(asked.report),
        stop_(asked.stop),
        ctrl_c_(asked.ctrl_c),
        recorder_(asked.recorder.get()),
        total_(tasks) {}

  /// Runs Python's signal handlers. Returns false once one of them has raised, or another thread has raised an
  /// exception in this one.
  [[nodiscard]] bool no_interrupt() noexcept;
  /// From here on Ctrl-C raises nothing: let_ctrl_c_in() raises it, or parmap() once there are results.
  void keep_ctrl_c_off() noexcept;
  void let_ctrl_c_in() noexcept;
  /// Returns whether Ctrl-C came a second time and raised `error`, or the handler of another signal did; `error` is
  /// then an interrupt.
  [[nodiscard]] bool insisted(const nanobind::object& error);
  /// Whether the caller's stop is set. Throws what its is_set() raises.
  [[nodiscard]] bool asked_to_stop() const;
  /// Calls the reporter. Throws what it raises, except KeyboardInterrupt, which becomes an interrupt.
  void show(std::uint64_t done, std::uint64_t failed, const std::optional<running_longest>& longest = {});

  /// Returns the interrupt, or None.
  [[nodiscard]] nanobind::object interrupt() const { return interrupted() ? interrupt_ : nanobind::none(); }
  [[nodiscard]] bool interrupted() const noexcept { return interrupt_.is_valid(); }
  /// Of a stream, whose number of tasks may become known later; none: unknown.
  void set_total(std::optional<std::uint64_t> total) noexcept { total_ = total; }
  /// Keeps an earlier interrupt.
  void set_interrupt(nanobind::object it) noexcept {
    if (!interrupted()) interrupt_ = std::move(it);
  }

 private:
  [[nodiscard]] bool tell_ctrl_c(const char* what) noexcept;

  nanobind::handle report_;
  nanobind::handle stop_;
  nanobind::handle ctrl_c_;
  detail::map_recorder* recorder_;
  std::optional<std::uint64_t> total_;
  nanobind::object interrupt_;
};

/// A failure as a tuple, an item of `told`.
nanobind::object told_of(const failure& why);
/// Appends the failures of any engine to `told`.
void add_failures(const request& asked, const failure_list& failures);

// These return the exception that ended the map early, raised by a signal handler (Ctrl-C) or by another thread, or
// None.

/// `task`: a parmap._task.Running, which is told of each task before it begins.
nanobind::object run_serial(const request& asked, nanobind::handle task);

/// What the engine threads needs in addition.
struct thread_needs {
  nanobind::dict raised;        // receives the exceptions of tasks, by index
  nanobind::handle late;        // the exception class that is raised in a task that runs too long
  nanobind::handle stopped;     // and in a task that still runs when the grace after the map's deadline is over
  nanobind::handle begin;       // begin(worker), called in each thread before its first task of the map
  nanobind::handle end;         // called in each thread after its last one, or None
  nanobind::handle begin_task;  // called before each task, in its context, or None
  std::size_t stack;            // of each thread, in bytes; 0: the usual
};
nanobind::object run_threads(const request& asked, const thread_needs& needs);

/// Lets the core fork workers that run Python. Call it once, before the first map.
void install_processes();

/// What the engine multi needs in addition.
struct process_needs {
  nanobind::handle begin;  // begin(workers, number), called in each worker before init
  nanobind::handle
      finish;  // finish(leave), called in each worker that leaves in order; leave() is the setup's, or None
  nanobind::handle before_fork;  // before_fork(), called before each fork: flushes, and returns the buffers
  nanobind::handle flush;        // flush(), called at the end of a worker
  value_transport::pickling pickling;
  nanobind::handle scalar_types;        // see value_transport
  nanobind::handle pending;             // stands for tasks without a value
  nanobind::handle program;             // of parmap._spawn if workers are to be programs of their own, or None
  nanobind::handle begin_supervisor{};  // of a stream: called in the process that forks and watches its workers
};
nanobind::object run_multi(const request& asked, const process_needs& needs);

}  // namespace parmap::python
