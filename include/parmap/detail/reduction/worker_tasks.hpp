// SPDX-License-Identifier: MIT
// Tasks of a reduction as worker processes run them: reducing_tasks runs tasks and folds their values, absorbing_tasks
// folds the values that had to be kept.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/worker_chunk.hpp>
#include <parmap/detail/reduction/combining_text.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/reduction/shared_accumulators.hpp>
#include <parmap/detail/schedule/interval.hpp>
#include <parmap/detail/system/forced_unwind.hpp>
#include <parmap/failure.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// Runs `make`; what it throws is the failure of the task, and says that values of range() were combined.
template <class Range, class Make>
PARMAP_CATCHES_FORCED_UNWIND auto combine_or_tell(const Range& range, const Make& make) {
  try {
    return make();
  } catch (const forced_unwind&) {
    throw;
  } catch (...) {
    const auto [b, e] = range();
    throw not_encoded{describe_combining(b, e)};
  }
}

// The key of the check of a value that is kept. That of an accumulator is the task behind those that are in it.
constexpr std::uint64_t kept_key(std::uint64_t task) noexcept { return ~task; }

// The newest accumulator of a block, or that before its first task.
template <class Reducer>
typename Reducer::value read_block(const Reducer& reducer, const shared_accumulators<typename Reducer::value>& shared,
                                   std::uint64_t block) {
  const auto& words = shared.block(block);
  const auto& place = words.place[words.newest()];
  const std::uint64_t done = place.done.get();
  if (done == 0) return reducer.start(block).value();
  return value_writer<typename Reducer::value>::read(shared.arenas(), place.value, shared.rule().begin(block) + done);
}

// A worker's hand on the accumulator of one block at a time.
template <class Reducer>
class block_writer {
 public:
  using value = typename Reducer::value;

  block_writer(const Reducer& reducer, const shared_accumulators<value>& shared) noexcept
      : reducer_(reducer),
        shared_(shared) {}

  [[nodiscard]] bool is_open() const noexcept { return open_; }
  [[nodiscard]] std::uint64_t block() const noexcept { return block_; }
  [[nodiscard]] std::optional<value>& accumulator() noexcept { return accumulator_; }

  // Goes on with the newest accumulator of the block, or with that before its first task.
  void open(std::uint64_t block, unsigned worker) {
    open_ = false;
    block_ = block;
    begin_ = shared_.rule().begin(block);
    words_ = &shared_.block(block);
    accumulator_.reset();
    if (words_->done() == 0) accumulator_ = reducer_.start(block);
    else accumulator_.emplace(read_block(reducer_, shared_, block));
    next_place_ = 1 - words_->newest();
    writer_.emplace(shared_.arenas(), worker);
    open_ = true;
  }
  void close() noexcept { open_ = false; }

  // Combines the value of a task with the accumulator, and publishes it.
  void absorb(std::uint64_t task, value made) {
    if (accumulator_) {
      words_->combining.set(rank(task));
      made = combine_or_tell([this] { return std::pair(begin_, shared_.rule().end(block_)); },
                             [&] { return reducer_.combined(std::as_const(*accumulator_), std::move(made)); });
      words_->combining.set(0);
    }
    publish(task, made);
    accumulator_ = std::move(made);
  }
  // Publishes the accumulator, in which this task is the last.
  void publish(std::uint64_t task, const value& made) {
    auto& place = words_->place[next_place_];
    try {
      writer_->write(place.value, made, begin_ + rank(task));
    } catch (...) {
      throw_not_encoded();
    }
    place.done.set(rank(task));
    next_place_ = 1 - next_place_;
  }

 private:
  // 1 for the first task of the block.
  [[nodiscard]] std::uint64_t rank(std::uint64_t task) const noexcept { return task - begin_ + 1; }

  const Reducer& reducer_;
  const shared_accumulators<value>& shared_;
  bool open_{};
  std::uint64_t block_{};
  std::uint64_t begin_{};  // the block's first task
  block_words<value>* words_{};
  unsigned next_place_{};
  std::optional<value> accumulator_;
  std::optional<value_writer<value>> writer_;
};

template <class Tasks, class Reducer>
class reducing_tasks final : public process_tasks {
 public:
  using value = typename Reducer::value;

  reducing_tasks(const Tasks& tasks, const Reducer& reducer, const shared_accumulators<value>& shared, bool postpones)
      : process_tasks(tasks.size(), {slot_kind::none, 0},
                      {static_cast<round_index>(shared.rule().tasks_of_block()), !Reducer::makes_values},
                      observer_of(tasks)),
        tasks_(tasks),
        shared_(shared),
        postpones_(postpones),
        open_(reducer, shared) {}

  // An accumulator is the task's outcome once it is published. Another worker may have gone on with it since; nobody
  // goes on behind a task that has not ended.
  [[nodiscard]] bool has_value(std::uint64_t task) const noexcept override { return shared_.is_done(task); }

  void run(worker_chunk& chunk, context& self) const override {
    if (open_.is_open()) go_on(chunk.next(), self);
    while (chunk.next() < chunk.end()) {
      const std::uint64_t at = chunk.next();
      const std::uint64_t block = shared_.rule().block_of(at);
      if (!open_.is_open() || open_.block() != block) begin(block, at, self);
      const std::uint64_t end = std::min(chunk.end(), shared_.rule().end(block));
      if (keeps_) keep_values(chunk, end, self);
      else if constexpr (Reducer::makes_values) combine_values(chunk, end, self);
      else take_steps(chunk, end, self);
      open_.close();
    }
  }

 private:
  // After an exception: the same task again, or the next one.
  void go_on(std::uint64_t at, context& self) const {
    const std::uint64_t before = next_;
    const bool left_out = at == before + 1 && !postpones_;
    const bool same_block = shared_.rule().block_of(at) == open_.block();
    if (at == before || (left_out && same_block)) {
      next_ = at;
      if (!Reducer::makes_values) open_.open(open_.block(), self.worker());  // a step may have begun
    } else {
      open_.close();
    }
  }
  void begin(std::uint64_t block, std::uint64_t at, context& self) const {
    const std::uint64_t before = at - shared_.rule().begin(block);
    // A fold's claims hold whole blocks, so that of the tasks before this one those without a value have failed.
    keeps_ = Reducer::makes_values && shared_.block(block).done() != before;
    next_ = at;
    if (!keeps_) open_.open(block, self.worker());
  }

  template <class Do>
  void each(const Tasks& tasks, worker_chunk& chunk, std::uint64_t end, context& self, const Do& act) const {
    tasks.for_each(chunk.next(), end, self, [&](std::uint64_t i, const auto& call) {
      if constexpr (Tasks::takes_context) chunk.begin_task(self);
      else chunk.begin_task();
      act(i, call);
      chunk.end_task();
      next_ = i + 1;
      return true;
    });
  }
  void combine_values(worker_chunk& chunk, std::uint64_t end, context& self) const {
    each(tasks_, chunk, end, self,
         [&](std::uint64_t i, const auto& call) { open_.absorb(i, static_cast<value>(call())); });
  }
  void keep_values(worker_chunk& chunk, std::uint64_t end, context& self) const {
    if constexpr (Reducer::makes_values) {
      value_writer<value> writer(shared_.arenas(), self.worker());
      each(tasks_, chunk, end, self, [&](std::uint64_t i, const auto& call) {
        const value& made = static_cast<value>(call());
        try {
          writer.begin_versions();
          writer.write(shared_.kept(i), made, kept_key(i));
        } catch (...) {
          throw_not_encoded();
        }
      });
    }
  }
  void take_steps(worker_chunk& chunk, std::uint64_t end, context& self) const {
    if constexpr (!Reducer::makes_values) {
      auto bound = tasks_.function().to(*open_.accumulator());
      each(tasks_.with(bound), chunk, end, self, [&](std::uint64_t i, const auto& call) {
        call();
        open_.publish(i, *open_.accumulator());
      });
    }
  }

  const Tasks& tasks_;
  const shared_accumulators<value>& shared_;
  bool postpones_;
  // Of one worker, whose process has its own copy.
  mutable block_writer<Reducer> open_;
  mutable bool keeps_{};
  mutable std::uint64_t next_{};
};

// Task k stands for the k-th task of the blocks of which values were kept.
template <class Reducer>
class absorbing_tasks final : public process_tasks {
 public:
  using value = typename Reducer::value;

  // `failed`: the tasks that have no value.
  absorbing_tasks(const Reducer& reducer, const shared_accumulators<value>& shared,
                  const std::vector<std::uint64_t>& blocks, const failure_list& failed)
      : process_tasks(blocks.size() * shared.rule().tasks_of_block(), {slot_kind::none, 0},
                      {static_cast<round_index>(shared.rule().tasks_of_block()), true}),
        shared_(shared),
        blocks_(blocks),
        failed_(failed),
        open_(reducer, shared) {}

  [[nodiscard]] std::uint64_t task(std::uint64_t k) const noexcept {
    return shared_.rule().begin(blocks_[k / shared_.rule().tasks_of_block()]) + k % shared_.rule().tasks_of_block();
  }
  [[nodiscard]] bool has_value(std::uint64_t k) const noexcept override { return shared_.is_done(task(k)); }
  void run(worker_chunk& chunk, context& self) const override {
    while (chunk.next() < chunk.end()) {
      const std::uint64_t i = task(chunk.next());
      chunk.begin_task();
      const std::uint64_t block = shared_.rule().block_of(i);
      if (i < shared_.rule().end(block) && !shared_.is_done(i) && !failed_.contains(i)) {
        if (!open_.is_open() || open_.block() != block) open_.open(block, self.worker());
        open_.absorb(i, value_writer<value>::read(shared_.arenas(), shared_.kept(i), kept_key(i)));
      }
      chunk.end_task();
    }
    open_.close();
  }

 private:
  const shared_accumulators<value>& shared_;
  const std::vector<std::uint64_t>& blocks_;
  const failure_list& failed_;
  mutable block_writer<Reducer> open_;  // of one worker
};

}  // namespace parmap::inline PARMAP_ABI::detail
