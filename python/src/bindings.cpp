// SPDX-License-Identifier: MIT
// The module parmap._parmap: the C++ engines, called by parmap/_map.py.
#include "bindings.hpp"
#include "fork_hazards.hpp"
#include "free_threading.hpp"
#include "program_worker.hpp"
#include "python_map.hpp"
#include "recorder.hpp"
#include "spawned_worker.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <parmap/detail/encoding/checksum.hpp>
#include <parmap/detail/processes/signal_advice.hpp>
#include <parmap/detail/processes/worker_exit.hpp>
#include <parmap/detail/schedule/retry_wait.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>

#include <signal.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace parmap::python {
namespace {

// What an exception of a task in this process is in Python; None if it comes from elsewhere.
nb::object exception_of(const failure& why) {
  if (why.exception) try {
      std::rethrow_exception(why.exception);
    } catch (const nb::python_error& error) {
      return nb::borrow(error.value());
    } catch (...) {  // NOLINT(bugprone-empty-catch): told in words
    }
  return nb::none();
}

// `ask` outlives the map, so it is not counted: the function is copied where the GIL is not held.
std::function<bool(const failure&)> asked_in_python(nb::handle ask) {
  return [ask](const failure& why) {
    const nb::gil_scoped_acquire held;
    return nb::cast<bool>(ask(told_of(why), exception_of(why)));
  };
}

options chosen_of(nb::handle from) {
  options chosen;
  chosen.workers = nb::cast<unsigned>(from.attr("workers"));
  if (const auto ns = nb::cast<std::optional<std::int64_t>>(from.attr("timeout_ns"))) chosen.timeout.emplace(*ns);
  if (const auto ns = nb::cast<std::optional<std::int64_t>>(from.attr("deadline_ns"))) chosen.deadline.emplace(*ns);
  chosen.retries = nb::cast<unsigned>(from.attr("retries"));
  chosen.retry_delay = std::chrono::nanoseconds(nb::cast<std::int64_t>(from.attr("retry_delay_ns")));
  if (const nb::object ask = from.attr("retry_if"); !ask.is_none()) chosen.retry_if = asked_in_python(ask);
  chosen.seed = nb::cast<std::uint64_t>(from.attr("seed"));
  chosen.max_failures = nb::cast<std::optional<std::uint64_t>>(from.attr("max_failures"));
  if (nb::cast<bool>(from.attr("stop_at_failure"))) chosen.max_failures = 1;
  chosen.memory_limit = nb::cast<std::optional<std::uint64_t>>(from.attr("memory_limit"));
  chosen.ordered = nb::cast<bool>(from.attr("ordered"));
  chosen.window = nb::cast<std::uint64_t>(from.attr("window"));
  return chosen;
}

// Like signal.signal(signal.SIGINT, handler), but keeps the C library's handler, which may not be Python's own.
void set_ctrl_c_handler(nb::handle handler) {
  struct sigaction below{};
  ::sigaction(SIGINT, nullptr, &below);
  nb::module_::import_("_signal").attr("signal")(SIGINT, handler);
  ::sigaction(SIGINT, &below, nullptr);
}

running_task& task_of(const char* name) {
  if (running_task* const task = running_task::current()) return *task;
  throw std::runtime_error(std::string("parmap.") + name + "() is for tasks, but no parmap task is running here");
}

}  // namespace

request request_of(nb::handle from) {
  return {.func = from.attr("func"),
          .axes = from.attr("axes"),
          .fargs = from.attr("fargs"),
          .values = nb::borrow<nb::list>(from.attr("values")),
          .told = nb::borrow<nb::list>(from.attr("told")),
          .measured = nb::borrow<nb::list>(from.attr("measured")),
          .ends = nb::borrow<nb::list>(from.attr("ends")),
          .report = from.attr("report"),
          .setup = from.attr("setup"),
          .stop = from.attr("stop"),
          .ctrl_c = from.attr("ctrl_c"),
          .chosen = chosen_of(from),
          .stop_at_failure = nb::cast<bool>(from.attr("stop_at_failure")),
          .max_tasks = nb::cast<std::optional<std::uint64_t>>(from.attr("max_tasks")).value_or(0),
          .times = nb::cast<bool>(from.attr("times")),
          .recorder = recorder_of(nb::getattr(from, "recorder", nb::none()))};
}

}  // namespace parmap::python

NB_MODULE(_parmap, m) {
  using namespace parmap;
  using namespace parmap::python;

  // What the system refuses is an OSError with its number.
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::system_error& error) {
      const nb::object why = nb::make_tuple(error.code().value(), nb::str(error.what()));
      PyErr_SetObject(PyExc_OSError, why.ptr());
    }
  });

  m.attr("__version__") = std::to_string(PARMAP_VERSION_MAJOR) + '.' + std::to_string(PARMAP_VERSION_MINOR) + '.' +
                          std::to_string(PARMAP_VERSION_PATCH);
  m.attr("free_threaded") = free_threaded;
  m.def("usable_cores", [] { return detail::usable_cores(); }, "Cores a map may use here; 1 inside a worker.");

  m.def("set_ctrl_c_handler", &set_ctrl_c_handler);

  m.def(
      "install",
      [](nb::object describe, nb::object describe_unpicklable, nb::object raised_by_handler, nb::object hear,
         nb::object heard, nb::object go_on) {
        install_exceptions(std::move(describe), std::move(describe_unpicklable), std::move(raised_by_handler));
        async_exception::install(hear.release(), heard.release(), go_on.release());
        install_processes();
      },
      "describe"_a, "describe_unpicklable"_a, "raised_by_handler"_a, "hear"_a, "heard"_a, "go_on"_a,
      "What the engines call. For the import of the package, so that no map has to import anything.");

  // The interrupt is stored in `asked` and not returned, because Ctrl-C may arrive before the return value is used.
  m.def("run_serial",
        [](nb::handle asked, nb::handle task) { asked.attr("interrupt") = run_serial(request_of(asked), task); });
  m.def(
      "run_threads",
      [](nb::handle asked, nb::dict raised, nb::handle late, nb::handle stopped, nb::handle begin, nb::handle end,
         nb::handle begin_task, std::size_t stack) {
        asked.attr("interrupt") =
            run_threads(request_of(asked), {raised, late, stopped, begin, end, begin_task, stack});
      },
      "asked"_a, "raised"_a, "late"_a, "stopped"_a, "begin"_a, "end"_a.none(), "begin_task"_a.none(), "stack"_a);
  m.def(
      "run_multi",
      [](nb::handle asked, nb::handle begin, nb::handle finish, nb::handle before_fork, nb::handle flush,
         nb::handle dumps, nb::handle otherwise, nb::handle loads, nb::handle scalar_types, nb::handle pending,
         nb::handle program) {
        asked.attr("interrupt") =
            run_multi(request_of(asked),
                      {begin, finish, before_fork, flush, {dumps, otherwise, loads}, scalar_types, pending, program});
      },
      "asked"_a, "begin"_a, "finish"_a, "before_fork"_a, "flush"_a, "dumps"_a, "otherwise"_a, "loads"_a,
      "scalar_types"_a, "pending"_a, "program"_a.none());
  m.def(
      "serve",
      [](nb::handle asked, nb::handle begin, nb::handle finish, nb::handle flush, nb::handle dumps,
         nb::handle otherwise, nb::handle loads, nb::handle scalar_types, const std::string& assignment,
         nb::handle at_go, nb::handle unfit, nb::handle read_function, nb::handle read_inputs) {
        const process_needs needs{begin,        finish,     nb::none(), flush, {dumps, otherwise, loads},
                                  scalar_types, nb::none(), nb::none()};
        if (read_function.is_none()) serve(request_of(asked), needs, assignment, at_go, unfit);
        else serve_pool(request_of(asked), needs, {read_function, read_inputs}, assignment, at_go, unfit);
      },
      "asked"_a, "begin"_a, "finish"_a, "flush"_a, "dumps"_a, "otherwise"_a, "loads"_a, "scalar_types"_a,
      "assignment"_a, "at_go"_a, "unfit"_a.none(), "read_function"_a.none(), "read_inputs"_a.none(),
      "A worker that is a program of its own; of a map, if read_function is None, else of a pool. Does not return.");

  bind_streams(m);
  bind_pools(m);
  bind_recorder(m);

  m.def("fork_hazards", [](const std::vector<int>& threads_of_python) {
    nb::list all;
    for (const fork_hazard& each : fork_hazards(threads_of_python))
      all.append(nb::make_tuple(nb::steal(PyUnicode_DecodeFSDefault(each.library.c_str())), each.lost));
    return all;
  });
  m.def("limit_libgomp", &limit_libgomp);
  m.def(
      "retry_wait",
      [](std::int64_t first_ns, std::uint64_t seed, std::uint64_t task, unsigned attempt) {
        return detail::retry_wait(std::chrono::nanoseconds(first_ns), seed, task, attempt).count();
      },
      "first_ns"_a, "seed"_a, "task"_a, "attempt"_a, "How many ns a failed task waits for its next attempt.");
  m.def(
      "checksum",
      [](const nb::bytes& data) {
        const auto* const begin = reinterpret_cast<const std::byte*>(data.c_str());
        return static_cast<std::int64_t>(detail::checksum(begin, data.size(), 0));
      },
      "data"_a, "Of the elements of a long axis in a checkpoint, as SQLite's integer.");
  m.def("advice_on_signal", [](int number) {
    const detail::signal_advice likely = detail::advice_on_signal(number);
    return std::string(likely.cause) + "; " + likely.remedy_in_python;
  });
  m.def("tell_leaving", &detail::tell_leaving, "In a worker that leaves: what it is doing, see _worker_end.DOING.");
  m.def("leave_worker", [] { detail::end_process(EXIT_SUCCESS); }, "Ends a worker that leaves; does not return.");
  m.def("workers_of", [](const std::string& assignment) { return to_spawn_assignment(assignment).mine.workers; });

  m.def("keep", [](nb::object what) { what.release(); }, "Never to be freed, not even as Python ends.");
  m.def("in_task", [] { return running_task::current() != nullptr; }, "Whether task() gives one.");
  m.def("task", [] {
    const context& self = task_of("context").self();
    return nb::make_tuple(self.index(), self.attempt(), self.worker());
  });
  m.def("task_generator", [](nb::callable make) {
    running_task& task = task_of("rng");
    PyObject* const made = task.generator(
        [&]() -> PyObject* { return nb::object(make(task.self().seed(), task.self().index())).release().ptr(); });
    return nb::borrow(made);
  });
}
