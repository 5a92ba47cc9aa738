// SPDX-License-Identifier: MIT
#include "pool_maps.hpp"

#include "async_exception.hpp"
#include "recorder.hpp"
#include "waiting_thread.hpp"

#include <parmap/detail/pools/pool_map.hpp>
#include <parmap/detail/progress/stop_now.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

namespace parmap::python {

namespace nb = nanobind;

namespace {

// All its calls are in the thread that runs the map. It has the GIL from its first value to its next wait.
class python_pool_map final : public detail::pool_map {
 public:
  python_pool_map(python_pool& pool, const request& asked, const options& chosen,
                  std::shared_ptr<detail::kept_function> f, nb::handle next_inputs, const value_transport& transport,
                  std::uint64_t tasks, detail::attempt_observer* observer)
      : pool_map(pool.dispatcher(), chosen, pool.asked().chosen.timeout, observer, std::move(f), tasks),
        pool_(pool),
        values_(asked.values),
        next_inputs_(next_inputs),
        transport_(transport) {}

 private:
  void before_wait() override { waiting_thread::current().release(); }
  void send_some() override {
    while (sent() < size() && (sent() == 0 || sent() - ended() <= 2 * latest_)) {
      waiting_thread& here = waiting_thread::current();
      here.take();
      try {
        const nb::tuple next = nb::borrow<nb::tuple>(next_inputs_(sent()));
        latest_ = nb::cast<std::uint64_t>(next[0]);
        const pool_inputs_writer inputs(sent(), nb::borrow<nb::bytes>(next[1]), nb::borrow<nb::list>(next[2]));
        send(latest_, pool_.dispatcher().keep_inputs([&inputs](detail::byte_writer& to) { inputs.write(to); }, false));
      } catch (...) {
        here.release();  // what runs has to end first
        throw;
      }
    }
  }
  void put(std::uint64_t task, detail::byte_reader bytes) override {
    waiting_thread::current().take();
    decoder in(bytes);
    PyObject* const made = transport_.decode(in);
    PyList_SetItem(values_.ptr(), static_cast<Py_ssize_t>(task), made);
    bytes.expect_end();
  }
  void discard(std::uint64_t) noexcept override {}

  python_pool& pool_;
  nb::list values_;
  nb::handle next_inputs_;
  const value_transport& transport_;
  std::uint64_t latest_{};  // tasks that were sent last
};

// What act() throws ends the map, which waits for its tasks then.
template <class Act>
auto without_gil_if_it_throws(const Act& act) {
  try {
    return act();
  } catch (...) {
    waiting_thread::current().release();
    throw;
  }
}

}  // namespace

nb::object run_pool(python_pool& pool, const request& asked, nb::bytes function, nb::handle next_inputs) {
  const async_exception::kept_off until_the_end;
  const std::uint64_t tasks = asked.values.size();
  lookout watch(asked, tasks);
  options chosen = asked.chosen;
  std::stop_source stop;
  if (!asked.stop.is_none()) chosen.stop = stop.get_token();
  chosen.reporter = [&](const progress& now) {
    waiting_thread::current().take();
    const bool goes_on = without_gil_if_it_throws([&] {
      if (watch.no_interrupt() && watch.asked_to_stop()) stop.request_stop();
      if (!watch.interrupted()) watch.show(now.done(), now.failed);
      return !watch.interrupted() && !(asked.stop_at_failure && now.failed > 0);
    });
    if (!goes_on && !now.finished) throw detail::stop_now();
  };
  if (chosen.retry_if)
    chosen.retry_if = [ask = std::move(chosen.retry_if)](const failure& why) {
      return without_gil_if_it_throws([&] { return ask(why); });
    };
  map_observers observers(asked.times, asked.recorder);
  const call_out outer;
  std::optional<value_transport> transport;
  pool.make_transport(transport, [&watch](const nb::object& error) { return watch.insisted(error); });
  auto f = pool.dispatcher().keep_function(bytes_of_pool_function(pool_call::plan, std::move(function)));
  python_pool_map map(pool, asked, chosen, std::move(f), next_inputs, *transport, tasks, observers.first());
  std::optional<failure_list> failures;
  {
    const waiting_thread here;
    failures.emplace(map.run(nullptr));
  }
  add_failures(asked, *failures);
  observers.tell_times(asked.measured);
  static_cast<void>(watch.no_interrupt());
  return watch.interrupt();
}

}  // namespace parmap::python
