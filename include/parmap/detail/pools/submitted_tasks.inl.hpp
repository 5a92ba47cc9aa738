// SPDX-License-Identifier: MIT
// The bodies of submitted_tasks.hpp.
#pragma once

#include <parmap/detail/pools/submitted_tasks.hpp>
#include <parmap/detail/processes/inputs_by_child.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/streams/outcome_source.hpp>

#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE submitted_tasks::submitted_tasks(pool_dispatcher& by, std::uint64_t seed,
                                               std::optional<std::chrono::nanoseconds> limit)
    : by_(by),
      job_(by.open({.seed = seed, .timeout = limit.value_or(std::chrono::nanoseconds::zero())}, nullptr, *this)) {}

PARMAP_INLINE submitted_tasks::~submitted_tasks() {
  by_.end(job_);
  for (auto& [number, each] : open_) each->take_failure({number, failure_kind::stopped, "the pool was destroyed", 0});
}

PARMAP_INLINE std::uint64_t submitted_tasks::add(std::shared_ptr<submitted_task> it, std::shared_ptr<kept_function> f,
                                                 const std::function<void(byte_writer&, std::uint64_t)>& encode,
                                                 bool foreign) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(lock_);
    number = next_++;
  }
  it->inputs_ = by_.keep_inputs([&](byte_writer& to) { encode(to, number); }, foreign);
  kept_inputs inputs = it->inputs_;
  {
    const std::lock_guard lock(lock_);
    open_.emplace(number, std::move(it));
  }
  try {
    by_.add(*job_, number, 1, std::move(inputs), std::move(f));
  } catch (...) {
    const std::lock_guard lock(lock_);
    open_.erase(number);
    throw;
  }
  return number;
}

PARMAP_INLINE bool submitted_tasks::has_ended(const submitted_task& it) const {
  const std::lock_guard lock(lock_);
  return it.ended_;
}

PARMAP_INLINE bool submitted_tasks::wait(const submitted_task& it, std::chrono::nanoseconds patience) {
  using clock = std::chrono::steady_clock;
  const auto begun = clock::now();
  if (has_ended(it)) return true;  // also in a process that was forked since
  for (;;) {
    const std::uint64_t seen = by_.taken(*job_);
    if (has_ended(it)) return true;
    const auto spent = clock::now() - begun;
    static_cast<void>(by_.collect(*job_, patience > spent ? patience - spent : spent.zero(), seen));
    if (patience <= clock::now() - begun) return has_ended(it);
  }
}

PARMAP_INLINE bool submitted_tasks::cancel(std::uint64_t number) { return by_.halt_task(*job_, number); }

PARMAP_INLINE void submitted_tasks::kill(std::uint64_t number, const submitted_task& it) {
  constexpr std::chrono::milliseconds again(10);  // it may begin just before it hears that it is not to
  if (!by_.halt_task(*job_, number)) do
      by_.kill(*job_, number);
    while (!wait(it, again));
}

// Sets its inputs: see write_inputs_by_child. A child does not have the memory of the pool, so it gets a copy.
PARMAP_INLINE void submitted_tasks::describe(failure& why, const submitted_task& of) const noexcept {
  try {
    byte_reader from = by_.read(of.inputs_);
    const std::size_t size = from.left();
    const std::byte* const first = from.read(size);
    const std::vector<std::byte> bytes(first, first + size);
    const auto text = [&] { return of.describe({bytes.data(), size}); };
    failure_runs one;
    one.emplace_back(failure{why.index, why.kind}, 1);
    failure_list described(std::move(one));
    write_inputs_by_child(
        described, {&text, [](const void* it, std::uint64_t) { return (*static_cast<const decltype(text)*>(it))(); }},
        of.takes_foreign_code());
    why.inputs = described.front().inputs;
  } catch (...) {  // NOLINT(bugprone-empty-catch): this one has no text
  }
}

// Whatever is thrown here, the task ends: somebody may wait for it.
PARMAP_INLINE void submitted_tasks::take(const pool_outcome& it) {
  std::shared_ptr<submitted_task> of;
  {
    const std::lock_guard lock(lock_);
    const auto found = open_.find(it.task);
    if (found == open_.end()) return;
    of = std::move(found->second);
    open_.erase(found);
  }
  std::optional<failure> why;
  try {
    try {
      if (it.why != nullptr) why = *it.why;
      else if (!it.bytes) why = bytes_written_over(it.task, it.attempt);
      else of->take_value(*it.bytes);
    } catch (...) {
      why = not_decoded(it.task, it.attempt);
    }
    if (why && why->kind == failure_kind::stopped && why->message.empty())
      why->message = "ended by future::cancel or future::kill";
  } catch (...) {  // without a message, as there is no memory for one
    if (!why) why.emplace(failure{it.task, failure_kind::out_of_memory, {}, it.attempt});
  }
  if (why) {
    describe(*why, *of);
    of->take_failure(std::move(*why));
  }
  const std::lock_guard lock(lock_);
  of->inputs_ = nullptr;
  of->ended_ = true;
}

}  // namespace parmap::inline PARMAP_ABI::detail
