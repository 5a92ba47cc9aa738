// SPDX-License-Identifier: MIT
// stored_map: a map with a store. It runs the tasks that have no stored outcome, stores each outcome as it comes, and
// returns the whole.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/results/result_memory.hpp>
#include <parmap/detail/space/numbered_tasks.hpp>
#include <parmap/detail/space/renumbering.hpp>
#include <parmap/detail/stores/result_store.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/detail/stores/sweep_of.hpp>
#include <parmap/detail/stores/task_choice.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A store from its opening to the last commit, with the tasks that are left to run.
class open_store final : public renumbering {
 public:
  // Throws what result_store::open throws.
  PARMAP_API open_store(const sweep& what, std::uint64_t tasks, const options& of_map);
  PARMAP_API ~open_store();

  // Calls keep(index, outcome) for each outcome that is stored and stays. Call it once, first; then tells the user what
  // was found.
  PARMAP_API void read(const std::function<void(std::uint64_t index, stored_outcome&& it)>& keep);
  // The options of the run: the store's seed, and a stop when nothing more can be stored.
  [[nodiscard]] const options& of_run() const noexcept { return of_run_; }
  [[nodiscard]] const task_choice& choice() const noexcept { return choice_; }
  [[nodiscard]] store_run& outcomes() noexcept { return *store_; }

  [[nodiscard]] std::uint64_t size() const noexcept override { return choice_.size(); }
  [[nodiscard]] std::uint64_t index(std::uint64_t k) const noexcept override { return choice_.task(k); }
  [[nodiscard]] std::uint64_t stream(std::uint64_t index) const noexcept override { return store_->number(index); }

  // The failures of the tasks that ran, by their index in the map, are added to those that were stored.
  PARMAP_API failure_list join(failure_runs&& stored, const failure_list& ran) const;
  // The index of each of the slowest tasks in the map.
  PARMAP_API void renumber(map_times& times) const noexcept;

 private:
  struct request_stop {
    std::stop_source* to;
    void operator()() const noexcept { to->request_stop(); }
  };

  std::unique_ptr<store_run> store_;
  task_choice choice_;
  options of_run_;
  std::stop_source stop_;
  std::stop_callback<request_stop> by_caller_;
  std::optional<std::stop_callback<request_stop>> by_store_;
};

// What an outcome's value is made of.
using value_to_stored = stored_value(seen_value it);

// Hands each outcome to the store.
class storing_observer final : public attempt_observer {
 public:
  PARMAP_API storing_observer(open_store& to, value_to_stored& make) noexcept;
  PARMAP_API ~storing_observer();  // NOLINT(performance-trivially-destructible): only libparmap has its virtual table

  PARMAP_API void ended(const attempt& it, seen_value value, const failure* why) noexcept override;

 private:
  open_store& to_;
  value_to_stored& make_;
};

template <class Value>
stored_value stored_of(seen_value it) {
  if constexpr (std::is_void_v<Value>) {
    return {};
  } else {
    if (it.object != nullptr) return to_stored(*static_cast<const Value*>(it.object));
    const std::string_view bytes(reinterpret_cast<const char*>(it.encoded.data()), it.encoded.size());
    if constexpr (stored_text<Value> || is_number_array<Value>) return to_stored(decode_bytes<Value>(bytes));
    else return {.format = value_format::encoded, .bytes = std::string(bytes)};
  }
}

// The outcomes that were stored, until the others are there.
template <class Value>
struct kept_outcomes {
  struct none {};
  using kept = std::conditional_t<std::is_void_v<Value>, none, Value>;

  explicit kept_outcomes(open_store& from) {
    from.read([this](std::uint64_t index, stored_outcome&& it) {
      if (it.kind) failures.emplace_back(failure{index, *it.kind, std::move(it.message), it.attempts, nullptr}, 1);
      else if constexpr (std::is_void_v<Value>) values.emplace_back(index, none());
      else values.emplace_back(index, from_stored<Value>(it.value));
    });
  }

  std::vector<std::pair<std::uint64_t, kept>> values;
  failure_runs failures;
};

// Those that ran and those that were kept as the results of n tasks.
template <class Value>
results<Value> join_outcomes(results<Value>&& ran, kept_outcomes<Value>&& kept, const open_store& store,
                             std::uint64_t n) {
  failure_list failed = store.join(std::move(kept.failures), ran.failures());
  const std::uint64_t seed = ran.seed();
  std::optional<map_times> times = ran.take_times();
  if (times) store.renumber(*times);
  auto whole = [&]() -> results<Value> {
    if constexpr (std::is_void_v<Value>) {
      return results<void>(n, std::move(failed), seed);
    } else {
      result_memory<Value> memory(n);
      const auto put = [&memory](std::uint64_t index, Value&& value) {
        ::new (static_cast<void*>(memory.data() + index)) Value(std::move(value));
      };
      for (auto& [index, value] : kept.values) put(index, std::move(value));
      ran.failures().for_each_gap(ran.size(), [&](std::uint64_t b, std::uint64_t e) {
        for (std::uint64_t k = b; k < e; ++k)
          put(store.index(k), std::move(ran)[k]);  // NOLINT(bugprone-use-after-move): moves value k only
      });
      return {std::move(memory), std::move(failed), seed};
    }
  }();
  if (times) whole.note_times(std::move(*times));
  return whole;
}

// What f, its axes or its result type do not allow is known when a store is given: std::invalid_argument.
[[noreturn]] PARMAP_API void refuse_store_for_values();
[[noreturn]] PARMAP_API void refuse_store_for_axes();

// `run`: as map_space's, for tasks that are renumbered and observed.
template <class Run, class F, class Space>
auto run_stored_map(const Run& run, F& f, const Space& space, const options& chosen) -> results<result_of<F, Space>> {
  using value = result_of<F, Space>;
  if constexpr (!storable<value> || !(std::is_void_v<value> || std::is_nothrow_move_constructible_v<value>)) {
    refuse_store_for_values();
  } else if constexpr (!can_store_elements<typename Space::elements>) {
    refuse_store_for_axes();
  } else {
    open_store store(sweep_of<value>(f, space, chosen.seed), space.size(), chosen);
    kept_outcomes<value> kept(store);
    storing_observer storing(store, stored_of<value>);
    results<value> ran =
        run(numbered_tasks<F, Space>(f, space).renumbered_by(store).observed_by(storing), store.of_run());
    store.outcomes().finish();
    if (store.choice().has_all()) return ran;
    return join_outcomes(std::move(ran), std::move(kept), store, space.size());
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/stores/stored_map.inl.hpp>
#endif
