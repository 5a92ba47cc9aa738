// SPDX-License-Identifier: MIT
// map_recorder: the observer that writes the trace and the status file of a map.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/observers/attempt_observer.hpp>
#include <parmap/detail/space/renumbering.hpp>
#include <parmap/detail/traces/map_account.hpp>
#include <parmap/detail/traces/status_text.hpp>
#include <parmap/detail/traces/trace_events.hpp>
#include <parmap/failure.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// When the text of a task's inputs may be asked for.
enum class text_time {
  any,        // by any thread
  in_calls,   // in the functions of attempt_observer, in finish and in the destructor
  when_told,  // in write_texts, finish and the destructor
};

struct record_request {
  std::string trace{};                                    // a path; empty: no trace
  std::vector<std::string> status{};                      // paths of status files
  std::string option{"options.trace"};                    // what gave the path, for messages
  map_identity about{};                                   // the recorder adds what is known of the process
  std::function<std::string(std::uint64_t task)> text{};  // of a task's inputs; may be empty
  std::function<std::string(unsigned worker)> row{};      // the name of a worker; empty: "worker 3"
  text_time texts{text_time::any};
  std::string (*words)(const failure& why){};  // what its message says; null: itself
  const renumbering* numbers{};                // of the tasks that are told; null: they are their own
  bool is_silent{};                            // says nothing on stderr
  std::uint64_t most_slices{trace_events::usual_most};
};

// A thread of its own writes, so that nobody waits for a disk: once a second, and at the end.
//
// Workers tell it at once. Each has a lane, which it shares with few others. A short task that has a value leaves no
// more than its attempt there; they come into the account and the events together, before anything else of that lane.
// Order of the locks: a lane's, then the account's.
class map_recorder final : public attempt_observer {
 public:
  // Makes the files. `next` hears everything, too; null: there is none. Throws std::runtime_error if a file cannot be
  // made, std::system_error if there is no thread.
  explicit map_recorder(record_request&& asked, attempt_observer* next = nullptr);
  // If finish was not called, an exception has ended the map.
  ~map_recorder();

  void begun(const attempt& it) noexcept override;
  void failed(const attempt& it, const failure& why) noexcept override;
  void ended(const attempt& it, seen_value value, const failure* why) noexcept override;
  void happened_to(unsigned worker, worker_event what, attempt::clock::time_point when) noexcept override;

  // The tasks that are told from now on are first, first + step, ...
  void number_from(std::uint64_t first, std::uint64_t step) noexcept;
  // The tasks that are told from now on are these.
  void renumber(std::vector<std::uint64_t>&& tasks) noexcept;
  // The number of tasks, if it was not known. `stored`: how many more need not run.
  void set_tasks(std::uint64_t tasks, std::uint64_t stored = 0) noexcept;
  void write_texts() noexcept;
  // The map has ended. Writes what is left; on return the files are whole, unless stderr has been told that they are
  // not.
  void finish() noexcept;
  // An exception has ended the map.
  void abandon() noexcept;

 private:
  static constexpr std::chrono::seconds beat{1};
  static constexpr std::size_t much = 1 << 20;  // bytes that are worth a write before the next beat
  static constexpr std::size_t samples = 30;    // beats, for the rate

  static constexpr std::size_t lanes = 16;
  static constexpr std::size_t most_waiting = 64;  // attempts in a lane

  struct seat {
    attempt running{.number = 0};  // number 0: none
    std::string inputs{};
    bool has_inputs{};
    attempt::clock::time_point asked{};  // when the inputs were asked for last
    bool waits{};                        // and the events know it
  };
  // The workers with these numbers modulo `lanes`.
  struct alignas(128) lane {
    std::mutex mutex;
    std::vector<seat> seats{};     // of worker number k * lanes + that of the lane
    std::vector<attempt> ended{};  // of short tasks with a value, not in the account yet
  };

  [[nodiscard]] std::uint64_t index_of(std::uint64_t task) const noexcept {
    if (numbers_ != nullptr) return numbers_->index(task);
    return task < chosen_.size() ? chosen_[task] : first_ + task * step_;
  }
  [[nodiscard]] std::string text_of(std::uint64_t index) const noexcept;
  [[nodiscard]] lane& lane_of(unsigned worker) noexcept { return lanes_[worker % lanes]; }
  [[nodiscard]] static seat& seat_of(unsigned worker, lane& mine) {
    const std::size_t k = worker / lanes;
    if (k >= mine.seats.size()) mine.seats.resize(k + 1);
    return mine.seats[k];
  }
  // Both have the lock of the lane; the second has that of the account, too.
  template <class Act>
  void with_account(lane& mine, const Act& act) noexcept;
  void take_ended(lane& mine) noexcept;
  void take_all_ended() noexcept;
  // Calls visit(seat), with the lane's lock.
  template <class Visit>
  void for_each_seat(const Visit& visit);
  void end_attempt(const attempt& it, const failure* why, bool again) noexcept;
  void account_for(const attempt& it, const failure* why, bool again);
  // In a function of attempt_observer.
  void ask_in_call();
  void make_slice(attempt it, std::uint64_t index, const failure* why, bool again);
  void serve() noexcept;
  void sample_rate();
  // Sets running_, and takes what has ended.
  void look_at_running() noexcept;
  // Has what look_at_running found.
  [[nodiscard]] map_state state(map_end end);
  void write(map_end end, std::unique_lock<std::mutex>& lock) noexcept;
  void end(bool by_exception) noexcept;
  void add_text_of_slowest();
  void add_end_of_trace(map_end how);
  void note_error(const std::string& path, std::error_code why) noexcept;
  template <class Act>
  void guarded(const Act& act) noexcept;

  record_request asked_;
  attempt_observer* next_;
  const renumbering* numbers_;
  std::uint64_t first_{};
  std::uint64_t step_{1};
  std::vector<std::uint64_t> chosen_;
  std::uint64_t generation_;  // of processes: a forked child leaves the files alone
  attempt::clock::time_point began_;

  std::array<lane, lanes> lanes_{};
  std::mutex mutex_;  // of all that follows
  std::condition_variable news_;
  bool over_{};
  bool ended_{};
  std::atomic<bool> lost_{};  // there was no memory for something
  bool is_incomplete_{};
  bool has_new_slowest_{};
  std::string error_;
  map_account account_;
  trace_events events_;
  std::vector<running_task> running_;  // when somebody looked last
  std::atomic<unsigned> workers_{};
  std::vector<trace_slice> without_text_;
  std::deque<std::pair<attempt::clock::time_point, std::uint64_t>> ended_before_;  // how many had ended when
  std::thread thread_;
};

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/traces/map_recorder.inl.hpp>
#endif
