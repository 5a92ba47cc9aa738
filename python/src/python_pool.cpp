// SPDX-License-Identifier: MIT
#include "python_pool.hpp"

#include "pool_submissions.hpp"
#include "waiting_thread.hpp"

#include <utility>

namespace parmap::python {

namespace nb = nanobind;

python_pool::python_pool(request&& asked, terms&& on)
    : asked_(std::move(asked)),
      on_(std::move(on)),
      watch_(asked_, std::nullopt) {
  const call_out here;
  setup_.emplace(asked_, on_.needs, on_.processes.workers, watch_, buffers_);
  setup_->count_cut_off_in(*cut_offs_);
  if (const nb::handle what = on_.needs.program; !what.is_none())
    setup_->start(program_.emplace(what.attr("arguments"), nb::cast<int>(what.attr("job"))));
  make_transport(transport_, [](const nb::object&) { return false; });
  mine_ = current_map;
  const reads_by reads(on_.readers);
  dispatcher_.emplace(on_.processes);
  if (watch_.interrupted()) {
    const nb::object error = watch_.interrupt();
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
    throw nb::python_error();
  }
  submissions_ = std::make_unique<pool_submissions>(*this, on_.first_task);
}

python_pool::~python_pool() {
  {
    waiting_thread here;
    if (dispatcher_ && ends_at_once_) dispatcher_->end_at_once();
    submissions_.reset();
    here.release();
    shared_.clear();
    if (dispatcher_ && !ends_at_once_) dispatcher_->end_workers();
    dispatcher_.reset();
  }
  const call_out here;
  if (setup_ && setup_->was_cut_off()) {
    const nb::object told = setup_->cut_off();
    if (PyList_Append(asked_.ends.ptr(), told.ptr()) != 0) PyErr_WriteUnraisable(asked_.ends.ptr());
  }
  transport_.reset();
  setup_.reset();
}

void python_pool::throw_broken(const char* why) const {
  const nb::object error = on_.broken(why);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
  throw nb::python_error();
}

const void* python_pool::share(const void* from, std::size_t size) {
  shared_.push_back(dispatcher_->keep_inputs([&](detail::byte_writer& to) { to.write(from, size); }, false));
  return dispatcher_->read(shared_.back()).read(size);
}

void python_pool::make_transport(std::optional<value_transport>& to,
                                 std::function<bool(const nb::object&)> interrupts) {
  to.emplace(on_.needs.pickling, on_.needs.scalar_types, buffers_, std::move(interrupts));
}

}  // namespace parmap::python
