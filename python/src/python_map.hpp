// SPDX-License-Identifier: MIT
// One Python map on an engine: what it is asked, what it watches, what it tells.
#pragma once

#include "async_exception.hpp"
#include "interpreter_shutdown.hpp"
#include "python_tasks.hpp"

#include <nanobind/nanobind.h>

#include <parmap/parmap.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace parmap::python {

/// What parmap() asks of any engine, checked by it.
struct request {
  nanobind::object func;
  nanobind::object axes;    // tuple of tuples of sequences, as call_plan takes them
  nanobind::object fargs;   // dict
  nanobind::list values;    // one place for each task, to be filled; empty yet for multi
  nanobind::list told;      // of each failure, added: (index, kind, message: bytes, attempts, status)
  nanobind::object report;  // report(done, total), or None
  nanobind::object init;    // called without arguments in each worker, or None
  nanobind::object ctrl_c;  // a parmap._interrupt.CtrlC
  options chosen;           // with a seed, without a reporter
  bool stop_at_failure;     // at once, also those that are in the middle
};

/// What the calling thread sees to while others work: signals and the reporter. Used by it alone, with the GIL held.
class lookout {
 public:
  lookout(const request& asked, std::uint64_t tasks) noexcept
      : report_(asked.report),
        ctrl_c_(asked.ctrl_c),
        total_(tasks) {}

  /// Runs Python's signal handlers; false once one of them has raised, or another thread something in this one.
  [[nodiscard]] bool no_interrupt() noexcept;
  /// Whatever Ctrl-C would raise from here on is raised by let_in(), or by parmap() once there are results.
  void keep_ctrl_c_off() noexcept;
  void let_ctrl_c_in() noexcept;
  /// It has come again meanwhile, and has raised `error`, which is an interrupt then.
  [[nodiscard]] bool insisted(const nanobind::object& error);
  /// Throws what the reporter raises, but for KeyboardInterrupt: that is an interrupt.
  void show(std::uint64_t done);

  /// None if there was none.
  [[nodiscard]] nanobind::object interrupt() const { return interrupted() ? interrupt_ : nanobind::none(); }
  [[nodiscard]] bool interrupted() const noexcept { return interrupt_.is_valid(); }
  /// Unless one has come before.
  void set_interrupt(nanobind::object it) noexcept {
    if (!interrupted()) interrupt_ = std::move(it);
  }

 private:
  [[nodiscard]] bool tell_ctrl_c(const char* what) noexcept;

  nanobind::handle report_;
  nanobind::handle ctrl_c_;
  std::uint64_t total_;
  nanobind::object interrupt_;
};

/// Tells of the failures of any engine.
void add_failures(const request& asked, const failure_list& failures);

// These give the exception that ended the map early, of a signal handler (Ctrl-C) or from another thread, or None.

nanobind::object run_serial(const request& asked);

/// What the engine threads takes besides.
struct thread_needs {
  nanobind::dict raised;  // in which it keeps the exceptions of tasks, by index
  nanobind::handle late;  // the exception class that is raised in a task that runs too long
  nanobind::handle hear;  // as async_exception::install takes it
};
nanobind::object run_threads(const request& asked, const thread_needs& needs);

/// What the engine multi takes besides.
struct process_needs {
  nanobind::handle begin;  // begin(workers), called in each worker before init
  nanobind::handle flush;  // flush(), called before each fork and at the end of a worker
  value_transport::pickling pickling;
  nanobind::handle scalar_types;  // as value_transport takes them
  nanobind::handle pending;       // in the places of tasks without a value
  nanobind::handle program;       // of parmap._spawn, where workers are to be programs of their own, or None
};
nanobind::object run_multi(const request& asked, const process_needs& needs);

/// In such a program: works for the map that started it with this `assignment` (its last argument), until it ends.
/// `at_go` is called before the first task; `unfit` is the failure of every task, or None. Does not return.
void serve(const request& asked, const process_needs& needs, const std::string& assignment, nanobind::handle at_go,
           nanobind::handle unfit);

}  // namespace parmap::python
