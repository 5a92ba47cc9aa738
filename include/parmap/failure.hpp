// SPDX-License-Identifier: MIT
// The failure of a task, the list of a map's failures, and the exceptions thrown for them.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iosfwd>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI {

/// Why a task has no value. docs/failures.md lists the messages of each kind.
enum class failure_kind {
  threw,          ///< f, or the axis that computes its argument, threw
  crashed,        ///< its worker process was killed by a signal
  exited,         ///< it ended its worker process (exit, _exit, quick_exit, pthread_exit)
  timed_out,      ///< it ran longer than options::timeout
  out_of_memory,  ///< it threw std::bad_alloc, its result did not fit, or the kernel killed it to free memory
  unencodable,    ///< its worker could not encode its result, or the caller could not decode it
  stopped,        ///< it was not begun or not completed: max_failures, a stop request, or no worker could be started
};

/// The name of the kind as failure_kind spells it, such as "timed_out"; operator<< writes it. O(1).
[[nodiscard]] constexpr std::string_view to_string(failure_kind kind) noexcept {
  switch (kind) {
    case failure_kind::threw: return "threw";
    case failure_kind::crashed: return "crashed";
    case failure_kind::exited: return "exited";
    case failure_kind::timed_out: return "timed_out";
    case failure_kind::out_of_memory: return "out_of_memory";
    case failure_kind::unencodable: return "unencodable";
    case failure_kind::stopped: return "stopped";
  }
  return "unknown";
}

/// Writes to_string(kind).
PARMAP_API std::ostream& operator<<(std::ostream& out, failure_kind kind);

/// One task that has no value, and why. A value type: a copy owns its texts. operator<< and to_string write it as text.
///
///     for (const parmap::failure& why : r.failures())
///       if (why.kind == parmap::failure::timed_out) again.push_back(x[why.index]);
struct failure {
  // Short names of the kinds: failure::crashed. (Not `using enum`: g++ 12 fails on it in templates.)
  static constexpr failure_kind threw = failure_kind::threw;                  ///< the kind, by a short name
  static constexpr failure_kind crashed = failure_kind::crashed;              ///< the kind, by a short name
  static constexpr failure_kind exited = failure_kind::exited;                ///< the kind, by a short name
  static constexpr failure_kind timed_out = failure_kind::timed_out;          ///< the kind, by a short name
  static constexpr failure_kind out_of_memory = failure_kind::out_of_memory;  ///< the kind, by a short name
  static constexpr failure_kind unencodable = failure_kind::unencodable;      ///< the kind, by a short name
  static constexpr failure_kind stopped = failure_kind::stopped;              ///< the kind, by a short name

  std::uint64_t index{};                   ///< the task's index in input order
  failure_kind kind{failure_kind::threw};  ///< what went wrong
  std::string message{};                   ///< type and what() of the exception; or the signal or exit status
  unsigned attempts{};                     ///< number of attempts that were begun; 0 if the task was never begun
  std::exception_ptr exception{};          ///< the original exception; null if the task ran in another process
  int status{};                            ///< the signal or exit status that ended its worker (quick_exit: 1); else 0
  /// The task's inputs, such as `-0.25, "left"`: at most 200 bytes of UTF-8. `?` stands for an input that has no
  /// operator<<, and for an input that its range computes (std::views::transform). Empty if every input would be `?`,
  /// and if the task was stopped. Under multi, if a task has ended its worker or an input needs an operator<<, parmap
  /// writes the inputs of the first 1000 failures only, for at most 1 s in all.
  std::string inputs{};
  /// Under an engine of several machines: where the task ran, such as `rank 3 on n2`. Empty elsewhere, and if the task
  /// was stopped.
  std::string place{};

  /// Throws `exception` if it is not null (threads, async), else task_failed with a copy of this failure.
  [[noreturn]] PARMAP_API void rethrow() const;
};

/// One line such as "task 7 (0.5, 2) crashed: SIGSEGV ...", with the inputs in parentheses; operator<< writes it.
[[nodiscard]] PARMAP_API std::string to_string(const failure& why);
/// Writes to_string(why).
PARMAP_API std::ostream& operator<<(std::ostream& out, const failure& why);

/// The failures of a map that have one cause: their kind is the same, and their messages differ in numbers only. (In
/// the message of a death the numbers count, too: they are a signal or an exit status.) failure_list::causes() makes
/// them.
struct failure_cause {
  failure first{};        ///< the failure of the lowest index
  std::uint64_t count{};  ///< how many tasks have failed for this cause
  std::string message{};  ///< the message that they share; "..." in place of each number if the numbers differ
};

/// One line: "2999 x threw: std::runtime_error: no convergence; first task 7 (0.5, 2)". For a single task it is
/// to_string(why.first).
[[nodiscard]] PARMAP_API std::string to_string(const failure_cause& why);
/// Writes to_string(why).
PARMAP_API std::ostream& operator<<(std::ostream& out, const failure_cause& why);

class failure_list;

namespace detail {
// The failures of a map while it runs. Each entry is a failure and the number of consecutive tasks, from its index on,
// that share it.
using failure_runs = std::vector<std::pair<failure, std::uint64_t>>;
// Sorts by index. Allocates nothing.
void sort_runs(failure_runs& runs) noexcept;

// Writes the inputs of task i.
struct inputs_writer {
  const void* tasks;
  std::string (*text)(const void* tasks, std::uint64_t i);
};
// The runs that a list was built from, in order.
[[nodiscard]] PARMAP_API failure_runs runs_of(const failure_list& failures);
// Sets the inputs of each failure that is to have some. One whose inputs throw has none.
PARMAP_API void write_inputs(failure_list& failures, const inputs_writer& writer) noexcept;
// The tasks of those failures, in order.
[[nodiscard]] std::vector<std::uint64_t> tasks_with_inputs(const failure_list& failures);
// Whether one of them ended the process that ran it.
[[nodiscard]] bool ended_a_worker(const failure_list& failures) noexcept;
}  // namespace detail

/// The failures of one map, sorted by index: a random-access range of `failure`. An access builds the item and returns
/// it by value, so write `const auto&` or `auto` in a loop, not `auto&`. Several threads may read at once.
///
///     const parmap::failure_list& all = r.failures();
///     if (!all.empty()) std::cerr << all.size() << " tasks failed; the first: " << all.front() << '\n';
///
/// Consecutive tasks that were never begun are stored as one run, so that stopping a map of 1e9 tasks costs no memory.
/// In the complexities below, `size` counts such a run once.
class failure_list {
 public:
  using value_type = failure;

  /// A random-access iterator whose reference type is a value: items are built on access.
  class iterator {
   public:
    using iterator_concept = std::random_access_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = failure;
    using difference_type = std::ptrdiff_t;
    using reference = failure;
    struct pointer {
      failure item;
      const failure* operator->() const { return &item; }
    };

    iterator() = default;
    iterator(const failure_list* list, std::size_t at) : list_(list), at_(at) {}

    failure operator*() const { return (*list_)[at_]; }
    pointer operator->() const { return {**this}; }
    failure operator[](difference_type by) const { return *(*this + by); }
    iterator& operator++() { return *this += 1; }
    iterator operator++(int) { return std::exchange(*this, *this + 1); }
    iterator& operator--() { return *this -= 1; }
    iterator operator--(int) { return std::exchange(*this, *this - 1); }
    iterator& operator+=(difference_type by) {
      at_ = static_cast<std::size_t>(static_cast<difference_type>(at_) + by);
      return *this;
    }
    iterator& operator-=(difference_type by) { return *this += -by; }
    friend iterator operator+(iterator it, difference_type by) { return it += by; }
    friend iterator operator+(difference_type by, iterator it) { return it += by; }
    friend iterator operator-(iterator it, difference_type by) { return it -= by; }
    friend difference_type operator-(const iterator& a, const iterator& b) {
      return static_cast<difference_type>(a.at_) - static_cast<difference_type>(b.at_);
    }
    friend bool operator==(const iterator& a, const iterator& b) { return a.at_ == b.at_; }
    friend auto operator<=>(const iterator& a, const iterator& b) { return a.at_ <=> b.at_; }

   private:
    const failure_list* list_{};
    std::size_t at_{};
  };
  using const_iterator = iterator;

  failure_list() = default;
  /// For engines: builds the list from runs in any order, in which no task occurs twice. O(k log k). If it throws
  /// std::bad_alloc, the argument is at most reordered.
  PARMAP_API explicit failure_list(detail::failure_runs&& runs);
  PARMAP_API explicit failure_list(const detail::failure_runs& runs);
  /// Copies the failures. O(size).
  PARMAP_API failure_list(const failure_list& other);
  failure_list(failure_list&& other) noexcept : all_(std::exchange(other.all_, nullptr)) {}
  failure_list& operator=(failure_list other) noexcept {
    std::swap(all_, other.all_);
    return *this;
  }
  ~failure_list() {
    if (all_ != nullptr) destroy();
  }

  /// The number of failed tasks. O(1).
  [[nodiscard]] std::size_t size() const noexcept { return empty() ? 0 : count(); }
  /// Whether no task failed. O(1).
  [[nodiscard]] bool empty() const noexcept { return all_ == nullptr; }

  /// The k-th failure. Undefined if k >= size(). O(log size).
  [[nodiscard]] PARMAP_API failure operator[](std::size_t k) const;
  /// The k-th failure. Throws std::out_of_range if k >= size(). O(log size).
  [[nodiscard]] PARMAP_API failure at(std::size_t k) const;
  /// The failure of the lowest index. Undefined if the list is empty. O(log size).
  [[nodiscard]] failure front() const { return (*this)[0]; }
  /// The failure of the highest index. Undefined if the list is empty. O(log size).
  [[nodiscard]] failure back() const { return (*this)[size() - 1]; }

  /// The number of failed tasks below `index`. O(log size).
  [[nodiscard]] PARMAP_API std::uint64_t count_below(std::uint64_t index) const noexcept;
  /// Whether task `index` failed. O(log size).
  [[nodiscard]] bool contains(std::uint64_t index) const noexcept { return !empty() && has(index); }

  /// The failures grouped by cause: the cause of most failures first. O(k log k) for k = size.
  ///
  ///     for (const parmap::failure_cause& each : r.failures().causes()) std::cerr << each << '\n';
  [[nodiscard]] PARMAP_API std::vector<failure_cause> causes() const;

  /// Random-access iterators, which refer to this list. O(1); to read an item is O(log size).
  [[nodiscard]] iterator begin() const { return {this, 0}; }
  [[nodiscard]] iterator end() const { return {this, size()}; }

  /// The first maximal interval [b, e) of tasks in [from, n) that did not fail; (n, n) if there is none. from must be
  /// at most n. O(log size), and O(1) for each failure that it skips.
  [[nodiscard]] std::pair<std::uint64_t, std::uint64_t> next_gap(std::uint64_t from, std::uint64_t n) const noexcept {
    return empty() ? std::pair(from, n) : gap_behind(from, n);
  }
  /// Calls fn(b, e) for each maximal interval [b, e) of tasks in [0, n) that did not fail, in order.
  ///
  ///     all.for_each_gap(r.size(), [&](std::uint64_t b, std::uint64_t e) { done += e - b; });
  template <class Fn>
  void for_each_gap(std::uint64_t n, Fn&& fn) const {
    for (auto [b, e] = next_gap(0, n); b < e; std::tie(b, e) = next_gap(e, n)) fn(b, e);
  }

 private:
  struct table;  // the runs; not allocated if there is no failure

  friend PARMAP_API void detail::write_inputs(failure_list& failures, const detail::inputs_writer& writer) noexcept;
  friend PARMAP_API detail::failure_runs detail::runs_of(const failure_list& failures);
  friend std::vector<std::uint64_t> detail::tasks_with_inputs(const failure_list& failures);
  friend bool detail::ended_a_worker(const failure_list& failures) noexcept;

  PARMAP_API void destroy() noexcept;
  [[nodiscard]] PARMAP_API std::size_t count() const noexcept;
  [[nodiscard]] PARMAP_API bool has(std::uint64_t index) const noexcept;
  [[nodiscard]] PARMAP_API std::pair<std::uint64_t, std::uint64_t> gap_behind(std::uint64_t from,
                                                                              std::uint64_t n) const noexcept;

  table* all_{};
};

/// Writes "3000 tasks failed", and below that a line for each failure; if they are more than five, a line for each of
/// the five most frequent causes.
PARMAP_API std::ostream& operator<<(std::ostream& out, const failure_list& all);

/// Thrown by results::operator[] for a task that failed, and by failure::rethrow. what() is to_string(why()).
class PARMAP_API task_failed : public std::runtime_error {
 public:
  /// The exception for this failure.
  explicit task_failed(failure why);

  /// Why the task has no value.
  [[nodiscard]] const failure& why() const noexcept { return why_; }

 private:
  failure why_;
};

/// Thrown by results::value() and results::data() if any task failed. what() tells how many tasks failed, and has a
/// line for each; if more than five failed, a line for each of the five most frequent causes.
class PARMAP_API map_failed : public std::runtime_error {
 public:
  /// The exception for these failures of a map of this many tasks.
  map_failed(failure_list all, std::uint64_t tasks);

  /// Every failure, sorted by index.
  [[nodiscard]] const failure_list& failures() const noexcept { return failures_; }

 private:
  failure_list failures_;
};

}  // namespace parmap::inline PARMAP_ABI

#ifndef PARMAP_COMPILED
#include <parmap/detail/results/failure.inl.hpp>
#endif
