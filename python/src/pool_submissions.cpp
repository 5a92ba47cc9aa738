// SPDX-License-Identifier: MIT
#include "pool_submissions.hpp"

#include "python_pool.hpp"
#include "waiting_thread.hpp"

#include <parmap/detail/processes/multi_stream.hpp>

#include <iterator>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

pool_submissions::pool_submissions(python_pool& pool, std::uint64_t first) : pool_(pool), next_(first) {
  const call_out here;
  pool.make_transport(transport_, [](const nb::object&) { return false; });
  const options& chosen = pool.asked().chosen;
  job_ = pool.dispatcher().open(
      {.seed = *chosen.seed, .timeout = chosen.timeout.value_or(std::chrono::nanoseconds::zero())}, nullptr, *this);
}

pool_submissions::~pool_submissions() {
  pool_.dispatcher().end(job_);
  waiting_thread::current().take();
  submitted_.clear();
  told_ = nb::list();
  const call_out here;
  transport_.reset();
}

std::uint64_t pool_submissions::add(nb::object receiver, std::shared_ptr<detail::kept_function> f,
                                    const pool_inputs_writer& inputs) {
  return put({.count = 1, .left = 1, .receiver = std::move(receiver), .values = {}, .failed = {}}, std::move(f),
             inputs);
}

std::uint64_t pool_submissions::add_block(nb::object receiver, nb::list values, nb::dict failed,
                                          std::shared_ptr<detail::kept_function> f, const pool_inputs_writer& inputs) {
  const std::uint64_t count = values.size();
  return put({.count = count,
              .left = count,
              .receiver = std::move(receiver),
              .values = std::move(values),
              .failed = std::move(failed),
              .is_block = true},
             std::move(f), inputs);
}

std::uint64_t pool_submissions::put(submitted&& what, std::shared_ptr<detail::kept_function> f,
                                    const pool_inputs_writer& inputs) {
  const std::uint64_t count = what.count;
  detail::kept_inputs kept =
      pool_.dispatcher().keep_inputs([&inputs](detail::byte_writer& to) { inputs.write(to); }, false);
  std::uint64_t first = 0;
  {
    const nb::ft_lock_guard lock(mutex_);
    first = next_;
    submitted_.emplace_hint(submitted_.end(), first, std::move(what));
    next_ += count;
  }
  try {
    pool_.dispatcher().add(*job_, first, count, std::move(kept), std::move(f));
  } catch (...) {
    submitted forgotten;
    const nb::ft_lock_guard lock(mutex_);
    latest_ = submitted_.end();
    forgotten = std::move(submitted_.extract(first).mapped());
    throw;
  }
  return first;
}

nb::list pool_submissions::collect(std::chrono::nanoseconds patience) {
  {
    const waiting_thread here;
    static_cast<void>(pool_.dispatcher().collect(*job_, patience));
  }
  nb::list told;
  {
    const nb::ft_lock_guard lock(mutex_);
    told = std::exchange(told_, nb::list());
    for (auto& [first, receiver] : std::exchange(blocks_, {})) {
      const auto at = submitted_.find(first);
      const bool is_over = at == submitted_.end();
      if (!is_over) at->second.is_told = false;
      told.append(nb::make_tuple(receiver, is_over ? 0 : at->second.left));
    }
  }
  return told;
}

void pool_submissions::take(const detail::pool_outcome& it) {
  waiting_thread::current().take();
  nb::object value;
  nb::object why;
  if (it.why != nullptr) {
    why = told_of(*it.why);
  } else if (!it.bytes) {
    why = told_of(detail::bytes_written_over(it.task, it.attempt));
  } else {
    try {
      detail::byte_reader bytes = *it.bytes;
      decoder in(bytes);
      value = nb::steal(transport_->decode(in));
      bytes.expect_end();
    } catch (...) {
      why = told_of(detail::not_decoded(it.task, it.attempt));
    }
  }
  std::optional<submitted> ended;  // freed without the lock
  const nb::ft_lock_guard lock(mutex_);
  // Most values are of the block that the one before was of.
  if (latest_ == submitted_.end() || it.task - latest_->first >= latest_->second.count) {
    latest_ = submitted_.upper_bound(it.task);
    if (latest_ == submitted_.begin()) return;
    if (it.task - (--latest_)->first >= latest_->second.count) return;
  }
  const auto at = latest_;
  submitted& of = at->second;
  if (of.is_block) {
    const std::uint64_t place = it.task - at->first;
    if (!why.is_valid()) PyList_SetItem(of.values.ptr(), static_cast<Py_ssize_t>(place), value.release().ptr());
    else of.failed[nb::int_(place)] = why;
    if (!std::exchange(of.is_told, true)) blocks_.emplace_back(at->first, of.receiver);
  } else if (why.is_valid()) {
    told_.append(nb::make_tuple(of.receiver, nb::none(), why));
  } else {
    told_.append(nb::make_tuple(of.receiver, value, nb::none()));
  }
  if (--of.left == 0) {
    ended = std::move(of);
    submitted_.erase(at);
    latest_ = submitted_.end();
  }
}

bool pool_submissions::halt(std::uint64_t task) { return pool_.dispatcher().halt_task(*job_, task); }

bool pool_submissions::has_begun(std::uint64_t task) const { return pool_.dispatcher().has_begun(*job_, task); }

void pool_submissions::halt_block(std::uint64_t first, std::uint64_t count) {
  pool_.dispatcher().halt_tasks(*job_, first, count);
}

void pool_submissions::kill(std::optional<std::uint64_t> task) { pool_.dispatcher().kill(*job_, task); }

}  // namespace parmap::python
