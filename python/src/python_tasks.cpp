// SPDX-License-Identifier: MIT
#include "python_tasks.hpp"

#include "free_threading.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace parmap::python {

namespace nb = nanobind;

namespace {

bool fits(nb::handle number, long long& into) {
  int overflow = 0;
  into = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  return overflow == 0;
}

}  // namespace

axis::axis(nb::handle items) : items_(items.ptr()) {
  const Py_ssize_t size = PyObject_Size(items_);
  if (size < 0) throw nb::python_error();
  size_ = static_cast<std::uint64_t>(size);
  if (PyList_CheckExact(items_)) kind_ = kind::list;
  else if (PyTuple_CheckExact(items_)) kind_ = kind::tuple;
  // The last element is within these bounds, so all elements fit.
  else if (long long stop = 0; PyRange_Check(items_) && fits(items.attr("start"), start_) &&
                               fits(items.attr("stop"), stop) && fits(items.attr("step"), step_))
    kind_ = kind::range;
}

PyObject* axis::item(std::uint64_t i) const {
  switch (kind_) {
    case kind::list: {
      PyObject* const item = item_of_list(items_, static_cast<Py_ssize_t>(i));
      if (item == nullptr)  // a task in this process has changed the list
        PyErr_SetString(PyExc_IndexError, "parmap: the list of an axis has become shorter during the map");
      return item;
    }
    case kind::tuple: return Py_NewRef(PyTuple_GET_ITEM(items_, static_cast<Py_ssize_t>(i)));
    case kind::range:  // modulo 2^64, because one step may span most of the range
      return PyLong_FromLongLong(
          static_cast<long long>(static_cast<std::uint64_t>(start_) + i * static_cast<std::uint64_t>(step_)));
    case kind::lazy: return lazy_->item(i);
    case kind::other: break;
  }
  return PySequence_GetItem(items_, static_cast<Py_ssize_t>(i));
}

call_plan::call_plan(nb::handle func, nb::handle axes, nb::handle fargs, lazy_items* first) : func_(func.ptr()) {
  for (nb::handle together : axes) {
    group made{{}, 0, given_};
    const bool is_lazy = first != nullptr && groups_.empty();
    if (is_lazy) made.axes.emplace_back(*first, std::numeric_limits<std::uint64_t>::max());
    else
      for (nb::handle items : together) made.axes.emplace_back(items);
    made.size = made.axes.front().size();
    given_ += made.axes.size();
    std::uint64_t& size = first != nullptr && !is_lazy ? tasks_of_one_ : size_;
    if (made.size != 0 && size > std::numeric_limits<std::uint64_t>::max() / made.size)
      throw std::length_error("parmap: there are 2^64 combinations or more");
    size *= made.size;
    groups_.push_back(std::move(made));
  }
  if (first != nullptr && tasks_of_one_ == 0) size_ = 0;
  nb::list names;
  for (auto [name, given] : nb::borrow<nb::dict>(fargs)) {
    names.append(name);
    fixed_.push_back(nb::handle(given).ptr());
  }
  if (!fixed_.empty()) names_ = nb::tuple(names);
}

PyObject* call_plan::task(std::uint64_t i) const {
  nb::object made = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(given_)));
  if (!made.is_valid()) return nullptr;
  for (std::size_t g = groups_.size(); g-- > 0; i /= groups_[g].size) {
    const group& from = groups_[g];
    for (std::size_t k = 0; k < from.axes.size(); ++k) {
      PyObject* const item = from.axes[k].item(i % from.size);
      if (item == nullptr) return nullptr;
      PyTuple_SET_ITEM(made.ptr(), static_cast<Py_ssize_t>(from.first + k), item);
    }
  }
  return made.release().ptr();
}

call_plan::cursor::cursor(const call_plan& plan, std::uint64_t i)
    : plan_(plan),
      at_(plan.groups_.size()),
      arguments_(1 + plan.given_ + plan.fixed_.size()) {
  for (std::size_t k = at_.size(); k-- > 0; i /= plan.groups_[k].size) at_[k] = i % plan.groups_[k].size;
  std::ranges::copy(plan.fixed_, arguments_.begin() + 1 + static_cast<std::ptrdiff_t>(plan.given_));
}

call_plan::cursor::~cursor() {
  for (std::size_t k = 0; k < plan_.given_; ++k) Py_XDECREF(arguments_[1 + k]);
}

bool call_plan::cursor::fetch() {
  for (; stale_ < at_.size(); ++stale_) {
    const group& from = plan_.groups_[stale_];
    for (std::size_t k = 0; k < from.axes.size(); ++k) {
      PyObject* const item = from.axes[k].item(at_[stale_]);
      if (item == nullptr) return false;
      Py_XSETREF(arguments_[1 + from.first + k], item);
    }
  }
  return true;
}

PyObject* call_plan::cursor::call() {
  if (!fetch()) return nullptr;
  return PyObject_Vectorcall(plan_.func_, arguments_.data() + 1, plan_.given_ | PY_VECTORCALL_ARGUMENTS_OFFSET,
                             plan_.names_.ptr());
}

void call_plan::cursor::advance() noexcept {
  std::size_t k = at_.size();
  while (k-- > 0) {
    stale_ = std::min(stale_, k);
    if (++at_[k] < plan_.groups_[k].size) return;
    at_[k] = 0;
  }
}

}  // namespace parmap::python
