// SPDX-License-Identifier: MIT
// The streams of the module parmap._parmap, called by parmap/_stream.py.
#include "bindings.hpp"
#include "pool_streams.hpp"
#include "python_stream.hpp"
#include "stream_type.hpp"

#include <nanobind/nanobind.h>

#include <memory>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// `first`: the iterator that is the first input, or None. `pickler`: see stream_feed.
std::shared_ptr<stream_parts> parts_of(nb::handle asked, nb::object first, nb::handle pickler, nb::handle scalar_types,
                                       const nb::tuple& keep) {
  std::unique_ptr<stream_feed> feed;
  if (!first.is_none()) feed = std::make_unique<stream_feed>(std::move(first), pickler, scalar_types);
  auto parts = std::make_shared<stream_parts>(request_of(asked), std::move(feed));
  for (nb::handle each : keep) parts->keep.push_back(nb::borrow(each));
  return parts;
}

// open(options) gives the engine. The object has its stream before that forks: retry_if asks a copy of it.
template <class Open>
void begin(nb::handle stream, const std::shared_ptr<stream_parts>& parts, const stream_form& form, const Open& open) {
  python_stream& made = set_stream(stream, std::make_unique<python_stream>(parts), form);
  try {
    made.begin_on(open(made.options_of()));
    if (form.times) stream.attr("_note_workers")(made.workers());
  } catch (...) {
    forget_stream(stream);
    throw;
  }
}

}  // namespace

void bind_streams(nb::module_& m) {
  m.def("make_stream_type", &make_stream_type, "outcome"_a);
  // Each of these begins a stream; its object is given as the first argument. What it uses is kept alive by it.
  m.def(
      "open_serial_stream",
      [](nb::handle stream, nb::handle asked, nb::object first, bool bare, bool skips, nb::object scope) {
        auto parts = parts_of(asked, std::move(first), nb::none(), nb::none(), nb::make_tuple(scope));
        begin(stream, parts, {bare, skips, parts->asked.times},
              [&](const options& chosen) { return open_serial_stream(parts, chosen, scope); });
      },
      "stream"_a, "asked"_a, "first"_a.none(), "bare"_a, "skips"_a, "scope"_a);
  m.def(
      "open_thread_stream",
      [](nb::handle stream, nb::handle asked, nb::object first, bool bare, bool skips, nb::dict raised, nb::object late,
         nb::object stopped, nb::object begin_thread, nb::object end, nb::object begin_task) {
        auto parts = parts_of(asked, std::move(first), nb::none(), nb::none(), nb::tuple());
        begin(stream, parts, {bare, skips, parts->asked.times}, [&](const options& chosen) {
          return open_thread_stream(parts, chosen, {raised, late, stopped, begin_thread, end, begin_task, 0});
        });
      },
      "stream"_a, "asked"_a, "first"_a.none(), "bare"_a, "skips"_a, "raised"_a, "late"_a, "stopped"_a, "begin"_a,
      "end"_a.none(), "begin_task"_a.none());
  m.def(
      "open_process_stream",
      [](nb::handle stream, nb::handle asked, nb::object first, bool bare, bool skips, nb::object pickler,
         nb::object begin_worker, nb::object finish, nb::object before_fork, nb::object begin_supervisor,
         nb::object flush, nb::object dumps, nb::object otherwise, nb::object loads, nb::object scalar_types) {
        auto parts = parts_of(asked, std::move(first), pickler, scalar_types,
                              nb::make_tuple(pickler, begin_worker, finish, before_fork, begin_supervisor, flush, dumps,
                                             otherwise, loads, scalar_types));
        begin(stream, parts, {bare, skips, parts->asked.times}, [&](const options& chosen) {
          return open_process_stream(parts, chosen,
                                     {begin_worker,
                                      finish,
                                      before_fork,
                                      flush,
                                      {dumps, otherwise, loads},
                                      scalar_types,
                                      nb::none(),
                                      nb::none(),
                                      begin_supervisor});
        });
      },
      "stream"_a, "asked"_a, "first"_a.none(), "bare"_a, "skips"_a, "pickler"_a.none(), "begin"_a, "finish"_a,
      "before_fork"_a, "begin_supervisor"_a, "flush"_a, "dumps"_a, "otherwise"_a, "loads"_a, "scalar_types"_a);
  m.def(
      "open_pool_stream",
      [](nb::handle stream, nb::handle asked, nb::object first, bool bare, bool skips, nb::handle pool,
         nb::bytes function, nb::object next_inputs) {
        auto parts = parts_of(asked, std::move(first), nb::none(), nb::none(), nb::tuple());
        begin(stream, parts, {bare, skips, parts->asked.times}, [&](const options& chosen) {
          return open_pool_stream(pool_of(pool), parts, chosen, std::move(function), std::move(next_inputs));
        });
      },
      "stream"_a, "asked"_a, "first"_a.none(), "bare"_a, "skips"_a, "pool"_a, "function"_a, "next_inputs"_a);
}

}  // namespace parmap::python
