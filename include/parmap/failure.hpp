// SPDX-License-Identifier: MIT
// Why a task has no value, and the exceptions that say so.
#pragma once

#include <parmap/detail/results/failure_list.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace parmap {

/// What ended a task without a value.
enum class failure_kind {
  threw,          ///< f, or the axis that makes its argument, threw
  crashed,        ///< its worker process was killed by a signal
  exited,         ///< it ended its worker process (exit, _exit, quick_exit, pthread_exit)
  timed_out,      ///< it ran longer than options::timeout
  out_of_memory,  ///< it threw std::bad_alloc, or its result did not fit
  unencodable,    ///< its result could not be brought out of the worker
  stopped,        ///< it was not begun, or not ended: max_failures, a stop request, no worker to be had
};

/// The kind's name as it is written in failure_kind. O(1).
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

inline std::ostream& operator<<(std::ostream& out, failure_kind kind) { return out << to_string(kind); }

/// One task that has no value, and why. A regular value: copying it copies the message.
struct failure {
  // The kinds by short names: failure::crashed. (Not `using enum`: g++ 12 stumbles over it in templates.)
  static constexpr failure_kind threw = failure_kind::threw;
  static constexpr failure_kind crashed = failure_kind::crashed;
  static constexpr failure_kind exited = failure_kind::exited;
  static constexpr failure_kind timed_out = failure_kind::timed_out;
  static constexpr failure_kind out_of_memory = failure_kind::out_of_memory;
  static constexpr failure_kind unencodable = failure_kind::unencodable;
  static constexpr failure_kind stopped = failure_kind::stopped;

  std::uint64_t index{};  ///< of the task, in input order
  failure_kind kind{failure_kind::threw};
  std::string message{};           ///< type and what() of the exception, signal, exit status
  unsigned attempts{};             ///< how often the task was begun
  std::exception_ptr exception{};  ///< the original; null if the task ran in another process
  int status{};                    ///< how its worker died: the signal or exit status (quick_exit: 1); else 0

  /// Throws the original exception where there is one (engines that run in this process), else task_failed.
  [[noreturn]] void rethrow() const;
};

/// "task 7 crashed: SIGSEGV ...", on one line.
inline std::string to_string(const failure& why) {
  std::string text = "task " + std::to_string(why.index) + ' ';
  for (const char c : to_string(why.kind)) text += c == '_' ? ' ' : c;
  if (!why.message.empty()) text += ": ";
  for (const char c : why.message) text += c == '\n' || c == '\r' ? ' ' : c;
  if (why.attempts > 1) text += " (" + std::to_string(why.attempts) + " attempts)";
  return text;
}

inline std::ostream& operator<<(std::ostream& out, const failure& why) { return out << to_string(why); }

/// The failures of one map, sorted by index: a random-access range of `failure`, made as it is read. Tasks that were
/// never begun are held as runs, so that stopping a map of 1e9 tasks costs no memory.
using failure_list = detail::run_list<failure>;

/// Thrown by results::operator[] for a task without a value.
class task_failed : public std::runtime_error {
 public:
  explicit task_failed(failure why) : std::runtime_error(to_string(why)), why_(std::move(why)) {}

  /// Why the task has no value.
  [[nodiscard]] const failure& why() const noexcept { return why_; }

 private:
  failure why_;
};

/// Thrown by results::value() if any task failed.
class map_failed : public std::runtime_error {
 public:
  map_failed(failure_list all, std::uint64_t tasks)
      : std::runtime_error(describe(all, tasks)),
        failures_(std::move(all)) {}

  /// Every failure, sorted by index.
  [[nodiscard]] const failure_list& failures() const noexcept { return failures_; }

 private:
  static std::string describe(const failure_list& all, std::uint64_t tasks) {
    constexpr std::size_t shown = 5;
    std::string text = std::to_string(all.size()) + " of " + std::to_string(tasks) + " tasks failed";
    for (std::size_t k = 0; k < all.size() && k < shown; ++k) text += "\n  " + to_string(all[k]);
    if (all.size() > shown) text += "\n  ...";
    return text;
  }

  failure_list failures_;
};

inline void failure::rethrow() const {
  if (exception) std::rethrow_exception(exception);
  throw task_failed(*this);
}

}  // namespace parmap
