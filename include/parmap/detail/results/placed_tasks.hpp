// SPDX-License-Identifier: MIT
// Numbered tasks with the places of their values: what an engine that runs tasks in this process needs of f, its axes
// and its result type.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/results/value_places.hpp>
#include <parmap/detail/schedule/claim_blocks.hpp>

#include <atomic>
#include <cstdint>
#include <stop_token>

namespace parmap::inline PARMAP_ABI::detail {

class attempt_observer;

// What an engine has to do with each task of a chunk: look whether the map was halted, tell the task its number, watch
// its limit, tell an observer.
class task_gate {
 public:
  // `halted`, if it is not null, and `stop` are looked at before each task.
  task_gate(const std::atomic<bool>* halted, const std::stop_token& stop) noexcept : halted_(halted), stop_(&stop) {}
  task_gate(const task_gate&) = delete;
  task_gate& operator=(const task_gate&) = delete;

  // False if no further task is to be begun.
  [[nodiscard]] bool begin(std::uint64_t i, context& self) {
    if ((halted_ != nullptr && halted_->load(std::memory_order_acquire)) || stop_->stop_requested()) return false;
    self.begin(i, attempt_);
    if (watched_) begin_watch(self);
    return true;
  }
  // It has put its value. Throws if it was too late.
  void end(context& self) {
    if (watched_) end_watch(self);
    attempt_ = 1;
  }

  // Of the task that is begun next.
  [[nodiscard]] unsigned attempt() const noexcept { return attempt_; }
  void set_attempt(unsigned attempt) noexcept { attempt_ = attempt; }

 protected:
  // For a gate with a limit or an observer.
  virtual void begin_watch(context&) {}
  virtual void end_watch(context&) {}
  void set_watched() noexcept { watched_ = true; }
  ~task_gate() = default;

 private:
  const std::atomic<bool>* halted_;
  const std::stop_token* stop_;
  unsigned attempt_{1};
  bool watched_{};
};

// Tasks [at, end), as far as they have come.
struct task_chunk {
  std::uint64_t at;  // the first that has not ended
  std::uint64_t end;
  task_gate* gate;  // null if nothing is to be done with each task
};

class placed_tasks {
 public:
  placed_tasks(const placed_tasks&) = delete;
  placed_tasks& operator=(const placed_tasks&) = delete;

  // Runs the tasks of the chunk in order and puts their values, until the gate lets none begin. What a task throws
  // passes. chunk.at is then the first that has not ended.
  virtual void run(task_chunk& chunk, context& self) const = 0;
  // Called by a thread that has run chunks, and runs no more of this map. For language runtimes, whose tasks may have
  // set something up in it.
  virtual void end_worker(context&) const noexcept {}

  [[nodiscard]] bool take_context() const noexcept { return take_context_; }
  // The claims' boundaries.
  [[nodiscard]] claim_blocks blocks() const noexcept { return blocks_; }
  // Who hears of their attempts; null: nobody.
  [[nodiscard]] attempt_observer* observer() const noexcept { return observer_; }

 protected:
  explicit placed_tasks(bool take_context, claim_blocks blocks = {}, attempt_observer* observer = nullptr) noexcept
      : take_context_(take_context),
        blocks_(blocks),
        observer_(observer) {}
  ~placed_tasks() = default;

 private:
  bool take_context_;
  claim_blocks blocks_;
  attempt_observer* observer_;
};

template <class Tasks, class Places>
class placed_tasks_of final : public placed_tasks {
 public:
  placed_tasks_of(const Tasks& tasks, Places& places) noexcept
      : placed_tasks(Tasks::takes_context, {}, observer_of(tasks)),
        tasks_(tasks),
        places_(places) {}

  void run(task_chunk& chunk, context& self) const override {
    position at(chunk);
    if constexpr (!Tasks::takes_context) {
      // A plain loop that the compiler may vectorise.
      if (chunk.gate == nullptr) {
        tasks_.for_each(chunk.at, chunk.end, self, [&](std::uint64_t i, const auto& call) {
          places_.put(i, call);
          at.next = i + 1;
          return true;
        });
        return;
      }
    }
    task_gate& gate = *chunk.gate;
    tasks_.for_each(chunk.at, chunk.end, self, [&](std::uint64_t i, const auto& call) {
      if (!gate.begin(i, self)) return false;
      places_.put(i, call);
      gate.end(self);
      at.next = i + 1;
      return true;
    });
  }
  void end_worker([[maybe_unused]] context& self) const noexcept override {
    if constexpr (requires { tasks_.end_worker(self); }) tasks_.end_worker(self);
  }

 private:
  // A local number, so that it need not be stored for each task; the chunk hears of it however the loop ends.
  struct position {
    explicit position(task_chunk& of) noexcept : chunk(of), next(of.at) {}
    position(const position&) = delete;
    position& operator=(const position&) = delete;
    ~position() { chunk.at = next; }

    task_chunk& chunk;
    std::uint64_t next;
  };

  const Tasks& tasks_;
  Places& places_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
