// SPDX-License-Identifier: MIT
// One Python map on an engine: what it is asked, what it watches, what it tells.
#pragma once

#include "work.hpp"

#include <cxxabi.h>
#include <unistd.h>

#include <nanobind/nanobind.h>

#include <parmap/parmap.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace parmap::python {

/// For what asks for the GIL. The interpreter ends the threads that ask once it shuts down, by pthread_exit, whose
/// unwinding must not meet the engines' frames; they may belong to a task of threads that Ctrl-C has left behind. The
/// process is about to end; until then such a thread waits.
template <class Act>
decltype(auto) unless_python_ends(const Act& act) {
  try {
    return act();
  } catch (const abi::__forced_unwind&) {
    for (;;) ::pause();
  }
}

/// What parmap() asks of any engine, checked by it.
struct request {
  nanobind::object func;
  nanobind::object axes;    // tuple of tuples of sequences, as call_plan takes them
  nanobind::object fargs;   // dict
  nanobind::list values;    // one place for each task, to be filled
  nanobind::object report;  // report(done, total), or None
  nanobind::object init;    // called without arguments in each worker, or None
  options chosen;           // with a seed, without a reporter
  bool stop_at_failure;     // at once, also those that are in the middle
};

/// What became of it: the failures, as tuples (index, kind, message: bytes, attempts, status), and the exception of a
/// signal handler (Ctrl-C) that ended it early, or None.
struct outcome {
  nanobind::list failures;
  nanobind::object interrupt;
};

/// What the calling thread sees to while others work: signals and the reporter. Used by it alone, with the GIL held.
class lookout {
 public:
  explicit lookout(const request& asked) noexcept : report_(asked.report), total_(asked.values.size()) {}

  /// Runs Python's signal handlers; false once one of them has raised.
  [[nodiscard]] bool no_interrupt();
  /// Throws what the reporter raises, but for KeyboardInterrupt: that is an interrupt.
  void show(std::uint64_t done);

  [[nodiscard]] const nanobind::object& interrupt() const noexcept { return interrupt_; }
  [[nodiscard]] bool interrupted() const noexcept { return interrupt_.is_valid(); }
  /// Unless one has come before.
  void set_interrupt(nanobind::object it) noexcept {
    if (!interrupted()) interrupt_ = std::move(it);
  }

 private:
  nanobind::handle report_;
  std::uint64_t total_;
  nanobind::object interrupt_;
};

/// Adds the failures of any engine to a list of tuples.
void add_failures(nanobind::list& into, const failure_list& failures);

outcome run_serial(const request& asked);

/// What the engine threads takes besides.
struct thread_needs {
  nanobind::dict raised;  // in which it keeps the exceptions of tasks, by index
  nanobind::handle late;  // the exception class that is raised in a task that runs too long
};
outcome run_threads(const request& asked, const thread_needs& needs);

/// What the engine multi takes besides.
struct process_needs {
  nanobind::handle begin;  // begin(workers), called in each worker before init
  nanobind::handle flush;  // flush(), called before each fork and at the end of a worker
  value_transport::pickling pickling;
  nanobind::handle scalar_types;  // as value_transport takes them
  nanobind::handle program;       // of parmap._spawn, where workers are to be programs of their own, or None
};
outcome run_multi(const request& asked, const process_needs& needs);

/// In such a program: works for the map that started it with this `post` (its last argument), until it ends. `at_go` is
/// called before the first task; `unfit` is the failure of every task, or None. Does not return.
void serve(const request& asked, const process_needs& needs, const std::string& post, nanobind::handle at_go,
           nanobind::handle unfit);

}  // namespace parmap::python
