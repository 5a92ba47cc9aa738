// SPDX-License-Identifier: MIT
#include "program_worker.hpp"

#include "exception_transport.hpp"
#include "large_buffer_file.hpp"
#include "python_tasks.hpp"
#include "spawned_worker.hpp"
#include "value_transport.hpp"
#include "worker_setup.hpp"

#include <parmap/detail/pools/pool_tasks.hpp>
#include <parmap/detail/processes/multi_run.hpp>
#include <parmap/detail/processes/process_tasks.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// What such a worker works with.
struct program_state {
  program_state(const request& asked, const process_needs& needs, const std::string& assignment, nb::handle unfit,
                std::optional<std::uint64_t> tasks)
      : told(to_spawn_assignment(assignment)),
        watch(asked, tasks),
        buffers(told.buffers, told.region),
        setup(asked, needs, told.mine.workers, watch, buffers),
        transport(needs.pickling, needs.scalar_types, buffers, [](const nb::object&) { return false; }) {
    setup.in_program(unfit);
  }
  program_state(const program_state&) = delete;
  program_state& operator=(const program_state&) = delete;
  ~program_state() = default;

  spawn_assignment told;
  lookout watch;
  large_buffer_file buffers;
  worker_setup setup;
  value_transport transport;
};

void call_at_go(void* function) {
  if (!nb::steal(PyObject_CallNoArgs(static_cast<PyObject*>(function))).is_valid())
    forget_exception();  // of a worker before its first task
}

}  // namespace

void serve(const request& asked, const process_needs& needs, const std::string& assignment, nb::handle at_go,
           nb::handle unfit) {
  const call_plan plan(asked.func, asked.axes, asked.fargs);
  const program_state here(asked, needs, assignment, unfit, plan.size());
  worker_calls calls;
  const python_tasks<value, worker_calls> numbered(plan, calls);
  const detail::process_tasks_of tasks(numbered);
  detail::serve_as_program(tasks, here.told.mine, here.told.memory, call_at_go, at_go.ptr());
}

void serve_pool(const request& asked, const process_needs& needs, const pool_readers& readers,
                const std::string& assignment, nb::handle at_go, nb::handle unfit) {
  const program_state here(asked, needs, assignment, unfit, std::nullopt);
  const reads_by mine(readers);
  const auto begin = [](void* function, std::ptrdiff_t distance) {
    shared_place::set_distance(distance);
    call_at_go(function);
  };
  detail::serve_pool_as_program(here.told.mine, here.told.memory, read_pool_function, begin, at_go.ptr());
}

}  // namespace parmap::python
