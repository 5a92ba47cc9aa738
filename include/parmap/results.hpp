// SPDX-License-Identifier: MIT
// results: what map returns, a slot for every task in input order, and the failures. Half of the file is comments,
// which are the reference of one class.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/results/csv_text.hpp>
#include <parmap/detail/results/input_columns.hpp>
#include <parmap/detail/results/map_notes.hpp>
#include <parmap/detail/results/result_memory.hpp>
#include <parmap/detail/results/values_view.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/space/task_part.hpp>
#include <parmap/failure.hpp>
#include <parmap/outcome.hpp>
#include <parmap/part.hpp>
#include <parmap/summary.hpp>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI {

namespace detail {

// Adds the cells of the value of task i to a row.
using add_value = void(csv_text& row, const void* results, std::uint64_t i);

// The members of results<T> that do not depend on T.
class results_base {
 public:
  results_base(std::uint64_t size, failure_list failures, std::uint64_t seed)
      : size_(size),
        failures_(std::move(failures)),
        seed_(seed) {}
  // Moved-from results have no task.
  results_base(results_base&& other) noexcept
      : size_(std::exchange(other.size_, 0)),
        failures_(std::move(other.failures_)),
        seed_(other.seed_),
        elapsed_(other.elapsed_),
        notes_(std::move(other.notes_)) {}
  results_base& operator=(results_base&& other) noexcept {
    size_ = std::exchange(other.size_, 0);
    failures_ = std::move(other.failures_);
    seed_ = other.seed_;
    elapsed_ = other.elapsed_;
    notes_ = std::move(other.notes_);
    return *this;
  }
  results_base(const results_base&) = delete;
  results_base& operator=(const results_base&) = delete;
  PARMAP_API ~results_base();

  /// The number of tasks, failed ones included, and with options::part those of all parts. O(1).
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// Whether every task has a value; with options::part: every task of this part. O(1).
  [[nodiscard]] bool ok() const noexcept { return failures_.empty(); }
  /// The failures, sorted by index; empty if every task has a value. O(1). On a temporary it returns a copy.
  [[nodiscard]] const failure_list& failures() const& noexcept { return failures_; }
  // Copied, not moved: the destructor needs the failures to know which values exist.
  [[nodiscard]] failure_list failures() && { return failures_; }
  /// The tasks that have a value here, as intervals [first, second), in order: all that did not fail. With
  /// options::part: those of this part. On a rank of an MPI job that did not gather the values: those that ran there.
  /// O(failures); of a part O(its tasks).
  ///
  ///     for (const auto& [first, last] : r.here())
  ///       for (std::uint64_t i = first; i < last; ++i) write(i, r[i]);
  [[nodiscard]] PARMAP_API std::vector<std::pair<std::uint64_t, std::uint64_t>> here() const;
  /// The part of the tasks that these are the results of: see options::part. Part 0 of 1: all. O(1).
  [[nodiscard]] parmap::part part() const noexcept { return whole() ? parmap::part() : notes_->part->which(); }
  /// The seed of context::rng() in this map. If you pass it as options::seed, a map draws the same numbers again.
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// The number of tasks that have a value, the wall time of the map, and the failures grouped by cause; with
  /// options::times also how busy the workers were, and the slowest tasks. Of a part: its tasks only. O(k log k) for k
  /// failures.
  ///
  ///     std::cerr << r.summary() << '\n';   // 200 tasks in 2.0 s: 197 ok, 3 failed, and the causes
  [[nodiscard]] PARMAP_API map_summary summary() const;

  /// With options::store: how many tasks have an outcome that was in the store already, and did not run. O(1).
  [[nodiscard]] std::uint64_t stored() const noexcept { return notes_ == nullptr ? 0 : notes_->stored.count; }
  /// Whether task i is one of them; false if i >= size(). O(1).
  [[nodiscard]] bool is_stored(std::uint64_t i) const noexcept {
    const std::uint64_t at = place_of(i);
    return stored() > 0 && i < size_ && at != task_part::nowhere &&
           (notes_->stored.others[at / 64] >> at % 64 & 1) == 0;
  }

  // Gives what a map has noted to what was made of its values.
  void pass_notes(results_base& to) noexcept {
    to.elapsed_ = elapsed_;
    to.notes_ = std::move(notes_);
  }
  // Sets the tasks that stored() counts.
  PARMAP_API void note_stored(stored_tasks those);
  // Sets the columns _seconds and _worker in write_csv.
  PARMAP_API void note_measured(task_measures measured);
  // Sets the time that summary() tells.
  void note_elapsed(ticks elapsed) noexcept { elapsed_ = elapsed; }
  // Sets what else options::times makes it tell.
  PARMAP_API void note_times(map_times times);
  // What note_times has set, moved.
  [[nodiscard]] PARMAP_API std::optional<map_times> take_times() noexcept;
  // Call before any value is read: there is no value here of more tasks than have failed. The failures so far are those
  // tasks; `failures` are those that have failed. Throws std::bad_alloc, and changes nothing then.
  PARMAP_API void note_absent(failure_list failures);
  // Sets the failures again, which now know their inputs.
  void note_described(failure_list same) noexcept { failures_ = std::move(same); }
  // Call after note_stored and note_times: the tasks so far are those of a part of the map.
  PARMAP_API void note_part(std::shared_ptr<const task_part> those);
  // Sets the columns of the named axes in write_csv.
  PARMAP_API void note_inputs(input_columns inputs);

 protected:
  void require_ok() const {
    require_success();
    require_whole();
  }
  void require_success() const {
    if (!ok()) throw_map_failed();
    require_here();
  }
  // Every value that exists is here, except those of other parts.
  void require_here() const {
    if (notes_ != nullptr && notes_->absent && whole()) throw_elsewhere();
  }
  void require_whole() const {
    if (notes_ != nullptr && notes_->absent) throw_elsewhere();
  }
  // Returns the place of the value of task i. Throws if there is none.
  [[nodiscard]] std::uint64_t require_value(std::uint64_t i) const {
    const std::uint64_t at = place_of(i);
    if (i >= size_ || at == task_part::nowhere || failed().contains(at)) throw_no_value(i);
    return at;
  }
  // Whether these are the results of all tasks.
  [[nodiscard]] bool whole() const noexcept { return notes_ == nullptr || notes_->part == nullptr; }
  // The number of places, one for each task: of all, or of a part. A place is the index of its task there.
  [[nodiscard]] std::uint64_t room() const noexcept { return whole() ? size_ : notes_->part->size(); }
  [[nodiscard]] std::uint64_t place_of(std::uint64_t i) const noexcept { return whole() ? i : notes_->part->place(i); }
  [[nodiscard]] std::uint64_t index_at(std::uint64_t place) const noexcept {
    return whole() ? place : notes_->part->index(place);
  }
  // The places that have no value here.
  [[nodiscard]] const failure_list& failed() const noexcept {
    return notes_ != nullptr && notes_->absent ? *notes_->absent : failures_;
  }
  // A table with a row for each task; the cells of a value are in `cells` columns.
  PARMAP_API void write_table(std::ostream& out, std::size_t cells, add_value* add, const void* self) const;
  // Of a task that has failed.
  [[nodiscard]] failure why_failed(std::uint64_t i) const { return failures_[failures_.count_below(i)]; }

 private:
  [[nodiscard]] map_notes& notes();
  PARMAP_API void add_intervals_of_part(std::vector<std::pair<std::uint64_t, std::uint64_t>>& to) const;
  [[noreturn]] PARMAP_API void throw_map_failed() const;
  [[noreturn]] PARMAP_API void throw_no_value(std::uint64_t i) const;
  [[noreturn]] PARMAP_API void throw_elsewhere() const;

  std::uint64_t size_;
  failure_list failures_;
  std::uint64_t seed_;
  ticks elapsed_{};
  std::unique_ptr<map_notes> notes_;  // behind a pointer, as most maps have none
};

}  // namespace detail

/// What map returns: a value or a failure for each task, in input order. It owns the memory that the tasks wrote into;
/// no value is copied before value(). Move-only; a moved-from object has size 0. Several threads may read at once.
///
///     auto r = parmap::map(f, x);
///     std::vector<double> all = r.value();             // throws map_failed if a task failed
///     std::vector<double> filled = r.value_or(-1.0);   // -1 for each task that failed
///     for (const double y : r.values()) use(y);        // only the tasks that did not fail
///     for (const parmap::failure& why : r.failures()) std::cerr << why << '\n';
///
/// It is no range and does not convert to a std::vector: write r.values() or r.value().
template <class T>
class [[nodiscard]] results : public detail::results_base {
 public:
  using value_type = T;

  /// For engines: slots in which every task without a failure has constructed its value.
  results(detail::result_memory<T> values, failure_list failures, std::uint64_t seed)
      : results_base(values.size(), std::move(failures), seed),
        values_(std::move(values)) {}
  results(results&&) noexcept = default;
  results& operator=(results&& other) noexcept {
    if (this != &other) {
      destroy_values();
      results_base::operator=(std::move(other));
      values_ = std::move(other.values_);
    }
    return *this;
  }
  ~results() { destroy_values(); }

  /// The value of task i. Throws task_failed if the task failed, std::out_of_range if i >= size(), and std::logic_error
  /// if it is in another part (options::part). O(log failures). On a temporary it returns the value itself, moved.
  const T& operator[](std::uint64_t i) const& { return values_.data()[require_value(i)]; }
  T operator[](std::uint64_t i) && { return std::move(values_.data()[require_value(i)]); }
  /// The value of task i, or null if the task failed, if it is in another part, or if i >= size(). O(log failures).
  [[nodiscard]] const T* get_if(std::uint64_t i) const& noexcept {
    const std::uint64_t at = place_of(i);
    return i < size() && at != detail::task_part::nowhere && !failed().contains(at) ? values_.data() + at : nullptr;
  }
  const T* get_if(std::uint64_t i) && = delete;  // keep the results in a variable first

  /// All values. Throws map_failed, with every failure, if any task failed, and std::logic_error if there are only
  /// those of a part. O(size()). Copies the values; on a temporary, and as std::move(r).value(), it moves them.
  [[nodiscard]] std::vector<T> value() const& {
    constexpr bool copies = std::is_copy_constructible_v<T>;
    static_assert(copies, "parmap: value() copies, but this type cannot be copied; use std::move(r).value() or r[i]");
    require_ok();
    if constexpr (copies) return std::vector<T>(values_.data(), values_.data() + size());
    else return {};  // so that this is the only error
  }
  [[nodiscard]] std::vector<T> value() && {
    constexpr bool moves = std::is_move_constructible_v<T>;
    static_assert(moves,
                  "parmap: value() moves into a vector, but this type can be neither moved nor copied; use r[i]");
    require_ok();
    if constexpr (moves)
      return std::vector<T>(std::make_move_iterator(values_.data()), std::make_move_iterator(values_.data() + size()));
    else return {};
  }
  /// One value for each task; a failed task has `instead`. Throws std::logic_error if there are only the values of a
  /// part. O(size()). Copies or moves like value().
  [[nodiscard]] std::vector<T> value_or(const T& instead) const& {
    return value_or_else([&](const failure&) { return instead; });
  }
  [[nodiscard]] std::vector<T> value_or(const T& instead) && {
    return std::move(*this).value_or_else([&](const failure&) { return instead; });
  }
  /// One value for each task; a failed task has instead(failure). O(size()). Copies or moves like value(). Calls
  /// `instead` in input order in this thread, and lets its exceptions out.
  ///
  ///     auto y = r.value_or_else([&](const parmap::failure& why) { return guess(x[why.index]); });
  template <class Fn>
  [[nodiscard]] std::vector<T> value_or_else(Fn&& instead) const& {
    return fill(values_.data(), instead);
  }
  template <class Fn>
  [[nodiscard]] std::vector<T> value_or_else(Fn&& instead) && {
    return fill(std::make_move_iterator(values_.data()), instead);
  }

  /// A view of the values of all tasks that did not fail, or of those of a part, in input order: a sized forward range.
  /// It copies nothing; these results must outlive it and must not be moved meanwhile. O(log failures), and a whole
  /// walk is O(size()).
  [[nodiscard]] detail::values_view<T> values() const& {
    require_here();
    return {values_.data(), failed(), room()};
  }
  detail::values_view<T> values() && = delete;  // keep the results in a variable first

  /// The outcome of every task, or of every task of a part, in input order: a sized random-access view of
  /// indexed_outcome<T>. It refers to these results, and makes each item on access, with a copy of the value; O(log
  /// failures).
  ///
  ///     for (const auto& [index, outcome] : r.outcomes())
  ///       if (outcome) use(index, *outcome);
  [[nodiscard]] auto outcomes() const& {
    require_here();
    return std::views::iota(std::uint64_t{0}, room()) | std::views::transform([this](std::uint64_t at) {
             const std::uint64_t i = index_at(at);
             return indexed_outcome<T>{i, outcome_of(i), is_stored(i)};
           });
  }
  /// On a temporary: a vector of them, into which the values are moved.
  [[nodiscard]] std::vector<indexed_outcome<T>> outcomes() && {
    require_here();
    std::vector<indexed_outcome<T>> all;
    all.reserve(room());
    auto why = failures().begin();
    for (std::uint64_t at = 0; at < room(); ++at) {
      const std::uint64_t i = index_at(at);
      if (why != failures().end() && why->index == i) all.push_back({i, *why++, is_stored(i)});
      else all.push_back({i, std::move(values_.data()[at]), is_stored(i)});
    }
    return all;
  }

  /// For engines: where the values are; those of failed tasks do not exist. O(1).
  [[nodiscard]] T* places() noexcept { return values_.data(); }

  /// All size() values, contiguous in memory. Throws map_failed if any task failed. O(1).
  [[nodiscard]] const T* data() const& {
    require_ok();
    return values_.data();
  }
  const T* data() && = delete;  // keep the results in a variable first

  /// Writes comma-separated values (RFC 4180): a line of names, and a line for each task, in input order. The columns:
  /// the inputs from named axes (parmap::axis), or else `_task`, the index; `value`, or `value_1`, `value_2`, ... for
  /// the members of a tuple, pair, array or struct; `_kind`, which is `ok` or the kind of the failure, `_message` and
  /// `_attempts` of a failure; of a map with options::store `_seconds` and `_worker`, the time of the task's last
  /// attempt and the number of the worker that made it, also of tasks that an earlier run has stored; empty where they
  /// are not known. A failed task has no value: empty cells. Numbers have the digits that give the same number again
  /// (seconds have seven); enums are numbers; an input without operator<< is `?`. Throws std::runtime_error if `out`
  /// fails, and what an operator<< throws. O(size()).
  ///
  ///     std::ofstream file("sweep.csv");
  ///     parmap::map(simulate, parmap::axis("mu", mus), parmap::axis("x0", x0s)).write_csv(file);
  void write_csv(std::ostream& out) const {
    constexpr std::size_t cells = detail::cells_of<T>();
    static_assert(cells > 0,
                  "parmap: write_csv writes numbers, text, what has an operator<<, and tuples, pairs, arrays "
                  "and structs of these; this type is none of them: give it an operator<<");
    require_here();
    if constexpr (cells > 0)
      write_table(
          out, cells,
          [](detail::csv_text& row, const void* self, std::uint64_t at) {
            detail::add_cells(row, static_cast<const results*>(self)->values_.data()[at]);
          },
          this);
  }

  void begin() const = delete;  // write results.values(), those that did not fail, or results.value(), all of them
  void end() const;             // not defined; so that begin is the only error
  template <class U>
  operator std::vector<U>() const = delete;  // NOLINT(google-explicit-constructor): write results.value()

 private:
  template <class Iterator, class Fn>
  std::vector<T> fill(Iterator from, Fn& instead) const {
    require_whole();
    std::vector<T> all;
    all.reserve(size());
    const auto copy_until = [&](std::uint64_t index) {
      for (; all.size() < index; ++from) all.push_back(*from);
    };
    for (const failure& why : failed()) {
      copy_until(why.index);
      all.push_back(instead(why));
      ++from;
    }
    copy_until(size());
    return all;
  }

  [[nodiscard]] outcome<T> outcome_of(std::uint64_t i) const {
    if (const T* const value = get_if(i)) return *value;
    return why_failed(i);
  }

  void destroy_values() noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>)
      if (values_.data() != nullptr)
        failed().for_each_gap(values_.size(), [this](std::uint64_t b, std::uint64_t e) {
          std::destroy(values_.data() + b, values_.data() + e);
        });
  }

  detail::result_memory<T> values_;
};

/// The results of a map over an f that returns void, and of map_into: like results<T>, but without values.
///
///     parmap::map(parmap::threads, write_file, names).value();   // throws map_failed if a task failed
template <>
class [[nodiscard]] results<void> : public detail::results_base {
 public:
  using value_type = void;
  using results_base::results_base;
  results(results&&) noexcept = default;
  results& operator=(results&& other) noexcept {
    if (this != &other) results_base::operator=(std::move(other));
    return *this;
  }
  results(const results&) = delete;
  results& operator=(const results&) = delete;
  ~results() = default;

  /// Throws map_failed, with every failure, if any task failed; of a part, if any of its tasks did. Otherwise does
  /// nothing.
  void value() const { require_success(); }
  /// Throws task_failed if task i failed, std::out_of_range if i >= size(), and std::logic_error if it is in another
  /// part. Otherwise does nothing. O(log failures).
  void operator[](std::uint64_t i) const { static_cast<void>(require_value(i)); }
  /// The outcome of every task, or of every task of a part, in input order: a sized random-access view of
  /// indexed_outcome<void>. It refers to these results.
  template <class Void = void>  // a template, so that only programs that call it compile it
  [[nodiscard]] auto outcomes() const& {
    return std::views::iota(std::uint64_t{0}, room()) | std::views::transform([this](std::uint64_t at) {
             const std::uint64_t i = index_at(at);
             return indexed_outcome<Void>{i, failed().contains(at) ? outcome<Void>(why_failed(i)) : outcome<Void>(),
                                          is_stored(i)};
           });
  }
  auto outcomes() && = delete;  // keep the results in a variable first
  /// As that of results<T>, without values.
  void write_csv(std::ostream& out) const { write_table(out, 0, nullptr, nullptr); }
};

template <class T>
std::ostream& operator<<(std::ostream& to, const results<T>& all) = delete;  // print the elements of all.value()

}  // namespace parmap::inline PARMAP_ABI

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/results.inl.hpp>
#endif
