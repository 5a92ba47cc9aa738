// SPDX-License-Identifier: MIT
// The pools of the module parmap._parmap, called by parmap/_pool.py.
#include "bindings.hpp"
#include "pool_maps.hpp"
#include "pool_submissions.hpp"
#include "python_pool.hpp"

#include <nanobind/nanobind.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

constexpr const char* holder_name = "parmap._parmap.pool";

pool_holder& holder_of(nb::handle capsule) {
  auto* const it = static_cast<pool_holder*>(PyCapsule_GetPointer(capsule.ptr(), holder_name));
  if (it == nullptr) throw nb::python_error();
  return *it;
}
// In a process that was forked from the one that made it, it is a copy, which is never freed.
void destroy(PyObject* capsule) {
  auto* const it = static_cast<pool_holder*>(PyCapsule_GetPointer(capsule, holder_name));
  if (*it == nullptr || (*it)->is_at_home()) delete it;
}

// Calls act(pool). What ends the pool is raised as its class of exception.
template <class Act>
auto with(nb::handle capsule, const Act& act) {
  const pool_holder it = pool_of(capsule);
  try {
    return act(*it);
  } catch (const std::runtime_error& why) {
    it->throw_broken(why.what());
  }
}

std::chrono::nanoseconds to_span(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

}  // namespace

pool_holder pool_of(nb::handle capsule) {
  pool_holder it = holder_of(capsule);
  if (it == nullptr) throw std::runtime_error("parmap: this pool has ended");
  return it;
}

void bind_pools(nb::module_& m) {
  m.def(
      "open_pool",
      [](nb::handle asked, nb::object begin, nb::object finish, nb::object before_fork, nb::object begin_supervisor,
         nb::object flush, nb::object dumps, nb::object otherwise, nb::object loads, nb::object scalar_types,
         nb::object read_function, nb::object read_inputs, nb::object broken, nb::object program, std::uint64_t first) {
        request mine = request_of(asked);
        const detail::pool_terms processes{
            .workers = mine.chosen.workers, .memory_limit = mine.chosen.memory_limit, .most_tasks = mine.max_tasks};
        python_pool::terms on{.processes = processes,
                              .needs = {begin,
                                        finish,
                                        before_fork,
                                        flush,
                                        {dumps, otherwise, loads},
                                        scalar_types,
                                        nb::none(),
                                        program,
                                        begin_supervisor},
                              .readers = {read_function, read_inputs},
                              .keep =
                                  nb::make_tuple(begin, finish, before_fork, begin_supervisor, flush, dumps, otherwise,
                                                 loads, scalar_types, read_function, read_inputs, broken, program),
                              .broken = broken,
                              .first_task = first};
        auto made = std::make_unique<pool_holder>(std::make_shared<python_pool>(std::move(mine), std::move(on)));
        nb::object capsule = nb::steal(PyCapsule_New(made.get(), holder_name, &destroy));
        if (!capsule.is_valid()) throw nb::python_error();
        static_cast<void>(made.release());
        return capsule;
      },
      "asked"_a, "begin"_a, "finish"_a, "before_fork"_a, "begin_supervisor"_a, "flush"_a, "dumps"_a, "otherwise"_a,
      "loads"_a, "scalar_types"_a, "read_function"_a, "read_inputs"_a, "broken"_a, "program"_a.none(), "first"_a);
  m.def(
      "close_pool",
      [](nb::handle pool, bool at_once) {
        const pool_holder it = std::exchange(holder_of(pool), nullptr);
        if (at_once && it != nullptr) it->end_at_once();
      },
      "pool"_a, "at_once"_a, "Ends it when nobody uses it any more.");
  m.def(
      "run_pool",
      [](nb::handle pool, nb::handle asked, nb::bytes function, nb::handle next_inputs) {
        asked.attr("interrupt") = with(
            pool, [&](python_pool& it) { return run_pool(it, request_of(asked), std::move(function), next_inputs); });
      },
      "pool"_a, "asked"_a, "function"_a, "next_inputs"_a);
  m.def(
      "pool_submit",
      [](nb::handle pool, nb::object receiver, nb::bytes function, nb::bytes inputs, const nb::list& buffers) {
        return with(pool, [&](python_pool& it) {
          pool_submissions& to = it.submissions();
          auto f = it.dispatcher().keep_function(bytes_of_pool_function(pool_call::single, std::move(function)));
          const pool_inputs_writer sent(to.next(), std::move(inputs), buffers);
          return to.add(std::move(receiver), std::move(f), sent);
        });
      },
      "pool"_a, "receiver"_a, "function"_a, "inputs"_a, "buffers"_a);
  m.def(
      "pool_submit_block",
      [](nb::handle pool, nb::object receiver, nb::list values, nb::dict failed, nb::bytes function, nb::bytes inputs,
         const nb::list& buffers) {
        return with(pool, [&](python_pool& it) {
          pool_submissions& to = it.submissions();
          auto f = it.dispatcher().keep_function(bytes_of_pool_function(pool_call::plan, std::move(function)));
          const pool_inputs_writer sent(to.next(), std::move(inputs), buffers);
          return to.add_block(std::move(receiver), std::move(values), std::move(failed), std::move(f), sent);
        });
      },
      "pool"_a, "receiver"_a, "values"_a, "failed"_a, "function"_a, "inputs"_a, "buffers"_a);
  m.def(
      "take_values",
      [](const nb::list& values, Py_ssize_t first, nb::handle pending) {
        const nb::ft_object_guard guard(values);  // as another thread puts values into it
        PyObject* const from = values.ptr();
        Py_ssize_t end = first;
        while (end < PyList_GET_SIZE(from) && PyList_GET_ITEM(from, end) != pending.ptr()) ++end;
        nb::list taken = nb::steal<nb::list>(PyList_New(end - first));
        if (!taken.is_valid()) throw nb::python_error();
        for (Py_ssize_t k = first; k < end; ++k) {
          PyList_SET_ITEM(taken.ptr(), end - 1 - k, PyList_GET_ITEM(from, k));
          PyList_SET_ITEM(from, k, nb::none().release().ptr());
        }
        return taken;
      },
      "values"_a, "first"_a, "pending"_a.none(),
      "Of a block of Executor.map: the values from this one to the first that has not come, in reverse. None replaces "
      "them.");
  m.def(
      "pool_collect",
      [](nb::handle pool, double seconds) {
        return with(pool, [&](python_pool& it) { return it.submissions().collect(to_span(seconds)); });
      },
      "pool"_a, "seconds"_a,
      "Of a task (receiver, value, None) or (receiver, None, failure); of a block (receiver, left).");
  m.def("pool_halt", [](nb::handle pool, std::uint64_t task) { return pool_of(pool)->submissions().halt(task); });
  m.def("pool_has_begun",
        [](nb::handle pool, std::uint64_t task) { return pool_of(pool)->submissions().has_begun(task); });
  m.def("pool_halt_block", [](nb::handle pool, std::uint64_t first, std::uint64_t count) {
    pool_of(pool)->submissions().halt_block(first, count);
  });
  m.def("pool_kill", [](nb::handle pool, std::uint64_t task) { pool_of(pool)->submissions().kill(task); });
  m.def("pool_share", [](nb::handle pool, nb::handle buffer) {
    Py_buffer view{};
    if (PyObject_GetBuffer(buffer.ptr(), &view, PyBUF_SIMPLE) != 0) throw nb::python_error();
    struct released {
      Py_buffer& view;
      ~released() { PyBuffer_Release(&view); }
    } const at_end{view};
    const void* const at = pool_of(pool)->share(view.buf, static_cast<std::size_t>(view.len));
    return nb::make_tuple(reinterpret_cast<std::uintptr_t>(at), view.len);
  });
  m.def(
      "shared_view",
      [](std::uintptr_t address, Py_ssize_t size) {
        return nb::steal(PyMemoryView_FromMemory(shared_place::here(address), size, PyBUF_READ));
      },
      "address"_a, "size"_a, "In a worker of the pool: what pool_share() has returned.");
  m.def("pool_next", [](nb::handle pool) { return pool_of(pool)->submissions().next(); });
}

}  // namespace parmap::python
