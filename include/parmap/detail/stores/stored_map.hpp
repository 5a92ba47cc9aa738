// SPDX-License-Identifier: MIT
// stored_map: a map with a store. It runs the tasks that have no stored outcome, stores each outcome as it comes, and
// returns the whole.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/results/result_memory.hpp>
#include <parmap/detail/space/numbered_tasks.hpp>
#include <parmap/detail/space/renumbering.hpp>
#include <parmap/detail/space/task_part.hpp>
#include <parmap/detail/stores/store_run.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/detail/stores/sweep_of.hpp>
#include <parmap/failure.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// What a store does with the values of one type.
struct value_kind {
  stored_value (*make)(seen_value it);                    // throws what its codec throws
  void (*construct)(void* at, const stored_value& from);  // throws what from_stored throws
  void (*move)(void* to, void* from) noexcept;
  void (*destroy)(void* at) noexcept;
  std::size_t size;  // 0: f returns void, and the others are not called
};

template <class Value>
stored_value make_stored(seen_value it) {
  if (it.object != nullptr) return to_stored(*static_cast<const Value*>(it.object));
  const std::string_view bytes(reinterpret_cast<const char*>(it.encoded.data()), it.encoded.size());
  if constexpr (has_plain_form<Value>) return to_stored(decode_bytes<Value>(bytes));
  else return stored_bytes_of(std::string(bytes), value_format::encoded);
}
template <class Value>
inline constexpr value_kind kind_of_value{
    make_stored<Value>,
    [](void* at, const stored_value& from) { ::new (at) Value(from_stored<Value>(from)); },
    [](void* to, void* from) noexcept { ::new (to) Value(std::move(*static_cast<Value*>(from))); },
    [](void* at) noexcept { std::destroy_at(static_cast<Value*>(at)); },
    sizeof(Value),
};
template <>
inline constexpr value_kind kind_of_value<void>{};

class task_choice;

// A store from its opening to the last commit, with the tasks that are left to run, and the values that need not run.
// Places are those of the tasks of the map, or of its part (options::part).
class open_store final : public renumbering, public attempt_observer {
 public:
  // Throws what result_store::open throws.
  PARMAP_API open_store(sweep&& what, const value_kind& kind, std::uint64_t tasks, const options& of_map);
  // Destroys the values that were read, unless they were joined.
  PARMAP_API ~open_store();

  // The number of places.
  [[nodiscard]] PARMAP_API std::uint64_t room() const noexcept;
  // The tasks of the part; null: all.
  [[nodiscard]] PARMAP_API const std::shared_ptr<const task_part>& part() const noexcept;
  // Reads the outcomes that are stored and stay, and tells the user what was found. `memory` has room() values. Call
  // this or one of the next two once, first.
  PARMAP_API void read(void* memory);
  // The same, but the outcomes stay where they are, until find() is asked for them.
  PARMAP_API void find_later();
  // Of a fold: calls visit(index, value) for each task that has one; but for the last one of a block it may be nothing.
  PARMAP_API void read_accumulators(const std::function<void(std::uint64_t index, const stored_value& it)>& visit);
  // f sees the stop token: what ends after a request may be incomplete, and is not stored. It runs again.
  PARMAP_API void f_sees_stops() noexcept;
  // The options of the run: the store's seed, and a stop when nothing more can be stored.
  [[nodiscard]] PARMAP_API const options& of_run() const noexcept;
  // Outcomes can no longer be stored; finish() throws the reason.
  [[nodiscard]] PARMAP_API bool has_failed() const noexcept;
  // The engine has returned. Waits until all is stored; throws store_failed. True if all tasks have run.
  PARMAP_API bool finish();
  // Moves the values of the tasks that ran to the memory, beside those that were read. Returns all failures, by place.
  PARMAP_API failure_list join(const results_base& ran, void* values);
  // The stored failures of tasks that do not run again.
  [[nodiscard]] PARMAP_API failure_runs take_failures();
  // What the run and earlier ones have measured, for the whole, and which tasks did not run.
  PARMAP_API void pass_notes(results_base& ran, results_base& whole);
  // Which tasks run; the others are stored.
  [[nodiscard]] const task_choice& choice() const noexcept;
  // The place of the k-th task that runs.
  [[nodiscard]] PARMAP_API std::uint64_t place(std::uint64_t k) const noexcept;
  // The stored outcome of the task at a place, each once. Throws store_failed.
  [[nodiscard]] PARMAP_API stored_outcome find(std::uint64_t place);

  [[nodiscard]] PARMAP_API std::uint64_t size() const noexcept override;
  [[nodiscard]] PARMAP_API std::uint64_t index(std::uint64_t k) const noexcept override;
  [[nodiscard]] std::uint64_t stream(std::uint64_t k) const noexcept override;
  [[nodiscard]] PARMAP_API std::uint64_t stored() const noexcept override;
  PARMAP_API void ended(const attempt& it, seen_value value, const failure* why) noexcept override;

 private:
  class state;
  std::unique_ptr<state> state_;
};

// Whether an engine runs tasks in this process, where a stop reaches them.
inline bool runs_here(std::string_view engine) noexcept { return engine != "multi" && engine != "pool"; }

// Tells the user what the store has to say.
PARMAP_API void say_notes(const store_run& of, const options& of_map);

// See refuse_store_for_axes.
[[noreturn]] PARMAP_API void refuse_store_for_values();
[[noreturn]] PARMAP_API void refuse_store_for_lazy_axes();

template <class Value>
inline constexpr bool can_store_value =
    std::is_void_v<Value> || (leaves<Value> && std::is_nothrow_move_constructible_v<Value>);

// Throws store_failed: the stored value of a task is of another type.
[[noreturn]] PARMAP_API void fail_to_read(std::uint64_t task, const std::exception& why);

// What a map with a store is made of, for values that can be stored.
template <class Value>
class stored_map {
 public:
  // Reads what is stored. `sees_stops`: see f_sees_stops. Throws what open_store throws.
  template <class F, class Space>
  stored_map(const F& f, const Space& space, const options& chosen, bool sees_stops)
      : store_(sweep_of<Value>(f, space, chosen.seed), kind_of_value<Value>, space.size(), chosen) {
    if constexpr (!std::is_void_v<Value>) memory_ = result_memory<Value>(store_.room());
    if (sees_stops) store_.f_sees_stops();
    store_.read(memory_.data());
  }

  [[nodiscard]] open_store& store() noexcept { return store_; }
  // What is to run.
  template <class F, class Space>
  [[nodiscard]] numbered_tasks<F, Space> missing(const numbered_tasks<F, Space>& all) noexcept {
    return all.renumbered_by(store_).observed_by(store_);
  }
  // The engine has returned. Waits until all is stored; throws store_failed. Returns the whole. Call it once.
  [[nodiscard]] results<Value> join(results<Value>&& ran) {
    if (store_.finish()) {
      store_.pass_notes(ran, ran);
      if (store_.part() != nullptr) ran.note_part(store_.part());
      return std::move(ran);
    }
    const auto whole = [&]() -> results<Value> {
      if constexpr (std::is_void_v<Value>) return results<void>(store_.room(), store_.join(ran, nullptr), ran.seed());
      else {
        failure_list failed = store_.join(ran, ran.places());
        return {std::move(memory_), std::move(failed), ran.seed()};
      }
    };
    results<Value> made = whole();
    store_.pass_notes(ran, made);
    if (store_.part() != nullptr) made.note_part(store_.part());
    return made;
  }

 private:
  result_memory<std::conditional_t<std::is_void_v<Value>, char, Value>> memory_;
  open_store store_;  // destroys the values in the memory
};

// `sees_stops`: see f_sees_stops. `run`: as map_space's, for tasks that are renumbered and observed. It says what type
// a value has: an engine may await what f returns.
template <class Run, class F, class Space>
auto run_stored_map(const Run& run, F& f, const Space& space, const options& chosen, bool sees_stops)
    -> std::invoke_result_t<const Run&, const numbered_tasks<F, Space>&, const options&> {
  using value = typename std::invoke_result_t<const Run&, const numbered_tasks<F, Space>&, const options&>::value_type;
  if constexpr (!can_store_value<value>) {
    refuse_store_for_values();
  } else if constexpr (!can_store_space<Space>) {
    refuse_store_for_axes();
  } else {
    stored_map<value> all(f, space, chosen, sees_stops);
    return all.join(run(all.missing(numbered_tasks<F, Space>(f, space)), all.store().of_run()));
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/stores/stored_map.inl.hpp>
#endif
