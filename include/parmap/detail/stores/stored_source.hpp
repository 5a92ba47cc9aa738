// SPDX-License-Identifier: MIT
// stored_source: the outcomes of a stream with a store: those that are stored, and those of the engine, which it stores
// as they come.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/stores/stored_order.hpp>
#include <parmap/detail/streams/lazy_axis.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/failure.hpp>
#include <parmap/outcome.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// The engine numbers the tasks that run from 0; the stream knows places, see open_store. An outcome is stored when the
// stream takes it from the engine, so what waits unread is not.
template <class T>
class stored_source final : public outcome_source<T> {
 public:
  // `run`: null if no task is left. The end of the stream closes the store.
  stored_source(std::unique_ptr<open_store>&& store, std::unique_ptr<outcome_source<T>> run, bool ordered)
      : store_(std::move(store)),
        order_(*store_, ordered),
        run_(std::move(run)) {}

  bool allow(std::uint64_t limit) override {
    const std::uint64_t of_run = order_.allow(limit);
    return run_ == nullptr || run_->allow(of_run);
  }
  void end_at(std::uint64_t) override {}
  void halt() noexcept override {
    if (run_ != nullptr) run_->halt();
  }
  [[nodiscard]] unsigned workers() const noexcept override { return run_ == nullptr ? 1 : run_->workers(); }
  [[nodiscard]] std::uint64_t mean_bytes() const noexcept override { return run_ == nullptr ? 0 : run_->mean_bytes(); }

  arrival next(std::optional<ended_task<T>>& to, std::chrono::nanoseconds patience) override {
    if (const auto index = order_.next()) {
      take_stored(*index, to);
      return arrival::outcome;
    }
    if (run_ != nullptr && !store_->has_failed()) {
      const arrival came = run_->next(to, patience);
      if (came == arrival::outcome) keep(*to);
      if (came != arrival::end) return came;
    }
    run_.reset();
    store_->finish();
    return order_.is_at_end() ? arrival::end : arrival::nothing_yet;
  }

 private:
  void take_stored(std::uint64_t index, std::optional<ended_task<T>>& to) {
    stored_outcome found = store_->find(index);
    if (found.kind) {
      to.emplace(index, failure{index, *found.kind, std::move(found.message), found.attempts, nullptr}, found.attempts);
    } else if constexpr (std::is_void_v<T>) {
      to.emplace(index, outcome<void>(), found.attempts);
    } else {
      try {
        to.emplace(index, from_stored<T>(found.value), found.attempts);
      } catch (const std::exception& error) {
        fail_to_read(index, error);
      }
    }
    to->result.stored = true;
  }
  void keep(ended_task<T>& it) {
    auto& [index, what] = it.result;
    if (what || what.error().kind != failure_kind::stopped) {
      const auto time = static_cast<double>(it.spent) / ticks_per_us() * 1e3;
      const attempt last{.task = index,
                         .number = it.attempts,
                         .worker = it.worker,
                         .took = std::chrono::nanoseconds(static_cast<std::int64_t>(time))};
      const void* value = nullptr;
      if constexpr (!std::is_void_v<T>)
        if (what) value = &*what;
      store_->ended(last, {.object = value}, what ? nullptr : &what.error());
    }
    index = store_->place(index);
    if (!what) {
      failure why = std::move(what).error();
      why.index = index;
      what = outcome<T>(std::move(why));
    }
  }

  std::unique_ptr<open_store> store_;
  stored_order order_;
  std::unique_ptr<outcome_source<T>> run_;
};

// Opens the store of a stream. Throws what open_store and refuse_store_for_values throw.
template <class Value, class F, class Space>
std::unique_ptr<open_store> open_store_of_stream(const F& f, const Space& space, const options& chosen) {
  if constexpr (is_unbounded<Space>) {
    refuse_store_for_lazy_axes();
  } else if constexpr (!can_store_value<Value>) {
    refuse_store_for_values();
  } else if constexpr (!can_store_space<Space>) {
    refuse_store_for_axes();
  } else {
    auto store = std::make_unique<open_store>(sweep_of<Value>(f, space, chosen.seed), kind_of_value<Value>,
                                              space.size(), chosen);
    store->find_later();
    return store;
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
