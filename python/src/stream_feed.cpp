// SPDX-License-Identifier: MIT
#include "stream_feed.hpp"

#include "exception_transport.hpp"
#include "interpreter_shutdown.hpp"

#include <parmap/detail/results/exception_message.hpp>
#include <parmap/detail/streams/shared_elements.hpp>

#include <exception>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

stream_feed::stream_feed(nb::object iterator, nb::handle pickler, nb::handle scalar_types)
    : iterator_(std::move(iterator)),
      pickler_(pickler) {
  if (pickler.is_none()) return;
  const call_out here;  // the transport is not the one of a map of this thread
  // The pickler keeps these methods.
  transport_.emplace(value_transport::pickling{pickler.attr("dumps"), pickler.attr("otherwise"), pickler.attr("loads")},
                     scalar_types, no_buffers_, [this](const nb::object& error) {
                       raised_ = error;
                       return false;
                     });
}

stream_feed::~stream_feed() {
  for (const element& each : elements_) Py_XDECREF(each.object);
  const call_out here;
  transport_.reset();
}

bool stream_feed::read_one() {
  nb::object next;
  {
    const call_out here;
    next = nb::steal(unless_python_ends([this] { return PyIter_Next(iterator_.ptr()); }));
  }
  if (!next.is_valid()) {
    if (PyErr_Occurred() == nullptr) return false;
    throw_raised(take_exception());
  }
  if (shared_ != nullptr) share_element(next.ptr());
  const nb::ft_lock_guard lock(mutex_);
  elements_.push_back({next.release().ptr(), tasks_of_one()});
  ++read_;
  return true;
}

void stream_feed::share_element(PyObject* object) {
  const call_out here;
  try {
    shared_->put(read_, [&](detail::byte_writer& bytes) {
      encoder out(bytes);
      transport_->encode(out, object);
    });
  } catch (const detail::foreign_exception&) {  // its words are about results
    throw_raised(nb::object(pickler_.attr("take_error")()));
  }
}

void stream_feed::throw_raised(const nb::object& error) {
  const auto set = [&error] { PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr()); };
  set();
  interrupt_ = forget_failure();  // of a signal handler: ends the stream at once
  set();
  throw nb::python_error();
}

void stream_feed::one_is_taken(std::uint64_t e) {
  nb::object dropped;
  const nb::ft_lock_guard lock(mutex_);
  element& it = elements_[static_cast<std::size_t>(e - first_)];
  last_taken_ = e;
  dropped = std::exchange(last_, nb::borrow(it.object));
  if (--it.left > 0) return;
  Py_CLEAR(it.object);
  if (shared_ != nullptr) shared_->drop(e);
  for (; !elements_.empty() && elements_.front().left == 0; ++first_) elements_.pop_front();
}

bool stream_feed::has_room() const noexcept { return elements_.size() < detail::shared_elements::places; }

std::uint64_t stream_feed::bytes() const noexcept { return shared_ != nullptr ? shared_->bytes() : 0; }

int stream_feed::traverse(visitproc visit, void* arg) const {
  Py_VISIT(iterator_.ptr());
  Py_VISIT(last_.ptr());
  for (const element& each : elements_) Py_VISIT(each.object);
  return 0;
}

PyObject* stream_feed::item(std::uint64_t e) {
  if (generation_ != detail::fork_generation()) return decoded(e);
  const nb::ft_lock_guard lock(mutex_);
  if (e == last_taken_) return Py_XNewRef(last_.ptr());
  if (e >= first_ && e - first_ < elements_.size())
    if (PyObject* const there = elements_[static_cast<std::size_t>(e - first_)].object) return Py_NewRef(there);
  PyErr_SetString(PyExc_IndexError, "parmap: this element of the input is gone");
  return nullptr;
}

// In a worker, or in the process that supervises the workers.
PyObject* stream_feed::decoded(std::uint64_t e) {
  if (e == last_taken_ && last_.is_valid()) return Py_NewRef(last_.ptr());
  try {
    const call_out here;
    detail::byte_reader bytes = shared_->read(e);
    decoder in(bytes);
    nb::object made = nb::steal(transport_->decode(in));
    if (tasks_of_one() > 1) {  // its next task is likely to be here
      last_ = made;
      last_taken_ = e;
    }
    return made.release().ptr();
  } catch (const detail::foreign_exception&) {
    const nb::object error = std::move(raised_);
    if (error.is_valid()) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
    else PyErr_SetString(PyExc_RuntimeError, "parmap: an element of the input cannot be read");
  } catch (const std::exception& why) {
    PyErr_SetString(PyExc_RuntimeError, why.what());
  }
  return nullptr;
}

}  // namespace parmap::python
