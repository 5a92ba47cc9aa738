// SPDX-License-Identifier: MIT
// A stream on a pool.
#include "pool_streams.hpp"

#include "waiting_thread.hpp"

#include <parmap/detail/pools/pool_outcomes.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// Used with the GIL held, which it releases to wait.
class outcomes final : public detail::pool_outcomes<task_value> {
 public:
  outcomes(python_pool& pool, stream_parts& parts, const options& chosen, std::shared_ptr<detail::kept_function> f,
           nb::object next_inputs, const value_transport& transport)
      : pool_outcomes(pool.dispatcher(), chosen, pool.asked().chosen.timeout, std::move(f)),
        parts_(parts),
        next_inputs_(std::move(next_inputs)),
        transport_(transport) {
    if (parts_.size()) check_end(*parts_.size());
  }
  outcomes(const outcomes&) = delete;
  outcomes& operator=(const outcomes&) = delete;
  ~outcomes() override {
    const waiting_thread here;
    end();
  }

  detail::arrival next(std::optional<detail::ended_task<task_value>>& to, std::chrono::nanoseconds patience) override {
    const waiting_thread here;
    const detail::arrival how = pool_outcomes::next(to, patience);
    if (how != detail::arrival::end || parts_.feed || sent_ >= parts_.plan.size()) return how;
    stop_unsent(sent_, parts_.plan.size() - sent_);
    sent_ = parts_.plan.size();
    return pool_outcomes::next(to, patience);
  }

  int traverse(visitproc visit, void* arg) const {
    Py_VISIT(next_inputs_.ptr());
    return 0;
  }

 private:
  void check_end(std::uint64_t size) {
    if (sent_ >= size) dispatcher().close(job());
  }
  // Of an input that is read as the stream goes, the elements that have been read; else blocks of any size.
  void send_up_to(std::uint64_t limit) override {
    if (!parts_.feed) {
      for (const std::uint64_t size = parts_.plan.size(); sent_ < std::min(limit, size);) {
        send(sent_, nb::borrow<nb::tuple>(next_inputs_(sent_)));
        check_end(size);
      }
    } else if (limit > sent_) {
      const std::uint64_t of_one = parts_.plan.tasks_of_one();
      const std::uint64_t first = sent_ / of_one;
      nb::list elements;
      for (std::uint64_t e = first; e <= (limit - 1) / of_one; ++e) {
        const nb::object item = nb::steal(parts_.feed->item(e));
        if (!item.is_valid()) throw nb::python_error();
        elements.append(item);
      }
      send(first * of_one, nb::borrow<nb::tuple>(next_inputs_(limit - sent_, elements)));
    }
  }
  // `next`: how many tasks, their pickle, and buffers that are not in it.
  void send(std::uint64_t first, const nb::tuple& next) {
    const auto count = nb::cast<std::uint64_t>(next[0]);
    const pool_inputs_writer inputs(first, nb::borrow<nb::bytes>(next[1]), nb::borrow<nb::list>(next[2]));
    dispatcher().add(job(), sent_, count,
                     dispatcher().keep_inputs([&inputs](detail::byte_writer& to) { inputs.write(to); }, false));
    sent_ += count;
  }
  outcome<task_value> decode(detail::byte_reader bytes) override {
    waiting_thread::current().take();
    decoder in(bytes);
    task_value made(transport_.decode(in));
    bytes.expect_end();
    return made;
  }

  stream_parts& parts_;
  nb::object next_inputs_;
  const value_transport& transport_;
  std::uint64_t sent_{};
};

class pool_engine final : public stream_engine {
 public:
  pool_engine(std::shared_ptr<python_pool> pool, std::shared_ptr<stream_parts> parts, const options& chosen,
              nb::bytes function, nb::object next_inputs)
      : pool_(std::move(pool)),
        parts_(std::move(parts)) {
    const call_out here;
    pool_->make_transport(transport_, [this](const nb::object& error) {
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error.ptr())), error.ptr());
      nb::object interrupt = forget_failure();
      const bool is_one = interrupt.is_valid();
      if (is_one) parts_->watch.set_interrupt(std::move(interrupt));
      return is_one;
    });
    outcomes_.emplace(*pool_, *parts_, chosen,
                      pool_->dispatcher().keep_function(bytes_of_pool_function(pool_call::plan, std::move(function))),
                      std::move(next_inputs), *transport_);
  }
  pool_engine(const pool_engine&) = delete;
  pool_engine& operator=(const pool_engine&) = delete;
  ~pool_engine() override {
    outcomes_.reset();
    const call_out here;
    transport_.reset();
  }

  bool allow(std::uint64_t limit) override { return outcomes_->allow(limit); }
  void end_at(std::uint64_t tasks) override { outcomes_->end_at(tasks); }
  void halt() noexcept override { outcomes_->halt(); }
  [[nodiscard]] unsigned workers() const noexcept override { return outcomes_->workers(); }
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override { return outcomes_->mean_bytes(); }
  int traverse(visitproc visit, void* arg) const override { return outcomes_->traverse(visit, arg); }

  detail::arrival next(std::optional<detail::ended_task<task_value>>& to, std::chrono::nanoseconds patience) override {
    try {
      return outcomes_->next(to, patience);
    } catch (const std::runtime_error& why) {
      pool_->throw_broken(why.what());
    }
  }

 private:
  std::shared_ptr<python_pool> pool_;
  std::shared_ptr<stream_parts> parts_;
  std::optional<value_transport> transport_;
  std::optional<outcomes> outcomes_;
};

}  // namespace

std::unique_ptr<stream_engine> open_pool_stream(pool_holder pool, const std::shared_ptr<stream_parts>& parts,
                                                const options& chosen, nb::bytes function, nb::object next_inputs) {
  return std::make_unique<pool_engine>(std::move(pool), parts, chosen, std::move(function), std::move(next_inputs));
}

}  // namespace parmap::python
