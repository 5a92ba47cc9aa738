// SPDX-License-Identifier: MIT
// The bodies of pool_tasks.hpp.
#pragma once

#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/encoding/checksum.hpp>
#include <parmap/detail/pools/pool_tasks.hpp>
#include <parmap/detail/processes/multi_stream.hpp>
#include <parmap/detail/processes/worker_exit.hpp>
#include <parmap/detail/processes/worker_words.hpp>
#include <parmap/detail/system/give_back.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE pool_tasks::pool_tasks(pool_memory& memory, function_reader only) noexcept
    : process_tasks(std::numeric_limits<std::uint64_t>::max(), {slot_kind::none, 0}),
      memory_(memory),
      only_(only) {}

PARMAP_INLINE std::uint64_t pool_tasks::end_of(std::uint64_t task) const noexcept {
  const batch* const it = memory_.table().find(task);
  return it == nullptr ? task + 1 : it->end();  // run() tells
}

PARMAP_INLINE void pool_tasks::run(worker_chunk& chunk, context& self) const {
  const batch* const found = memory_.table().find(chunk.next());
  if (found == nullptr) leave_process(farewell::damaged, EXIT_FAILURE);
  const batch it = *found;  // what a task runs on may call find()
  worker_ = self.worker();
  self.set_seed(it.seed);
  chunk.allow(it.allowed);
  batch_run tasks(chunk, it, memory_.table(), self);
  forget_others(it);
  // Reading is a part of the first task: its time counts, and what it throws is that task's failure.
  if (memory_.table().begin() && (has_read(it) || tasks.begin_task())) {
    const pool_function& f = function(it.function);
    f.run(inputs(f, it.inputs), tasks, self);
  }
  while (!chunk.empty()) {  // the batch was halted
    chunk.begin_task();
    chunk.outlet().send_stopped(chunk.next());
    chunk.end_task();
  }
}

PARMAP_INLINE bool pool_tasks::has_read(const batch& it) const noexcept {
  return inputs_.number == it.inputs.number && !functions_.empty() && functions_.front().number == it.function.number;
}

// Before a task begins: so one of this batch is not blamed for the destructors of what others ran on.
PARMAP_INLINE void pool_tasks::forget_others(const batch& it) const noexcept {
  if (inputs_.number != it.inputs.number) inputs_ = {};
  if (std::ranges::find(functions_, it.function.number, &kept<pool_function>::number) != functions_.end()) return;
  while (!functions_.empty() &&
         (functions_.size() >= most_functions || function_bytes_ + it.function.size > much_memory)) {
    function_bytes_ -= functions_.back().size;
    functions_.pop_back();
  }
}

PARMAP_INLINE void pool_tasks::before_wait() const noexcept {
  if (inputs_.size >= much_memory && !memory_.is_held(worker_, inputs_.number)) inputs_ = {};
}

PARMAP_INLINE const pool_function& pool_tasks::function(const sent_bytes& sent) const {
  const auto place = std::ranges::find(functions_, sent.number, &kept<pool_function>::number);
  if (place != functions_.end()) {
    functions_.splice(functions_.begin(), functions_, place);
    return *functions_.front().what;
  }
  byte_reader bytes = bytes_of(sent);
  std::uintptr_t address = 0;
  std::memcpy(&address, bytes.read(sizeof address), sizeof address);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): it was one
  const auto reader = only_ != nullptr ? only_ : reinterpret_cast<function_reader>(address);
  functions_.push_front({sent.number, reader(bytes), sent.size});
  function_bytes_ += sent.size;
  return *functions_.front().what;
}

PARMAP_INLINE const pool_inputs& pool_tasks::inputs(const pool_function& of, const sent_bytes& sent) const {
  if (inputs_.number != sent.number || inputs_.what == nullptr) {
    if (sent.size >= much_memory) memory_.hold(worker_, sent.number);
    inputs_ = {sent.number, of.read(bytes_of(sent)), sent.size};
  }
  return *inputs_.what;
}

PARMAP_INLINE void serve_pool_as_program(const worker_assignment& mine, int memory, function_reader read,
                                         void (*at_go)(void* given, std::ptrdiff_t distance), void* given) {
  pool_memory annex(mine.workers);
  const pool_tasks tasks(annex, read);
  serve_stream_as_program(tasks, mine, memory, annex, [=](std::ptrdiff_t distance) { at_go(given, distance); });
}

PARMAP_INLINE byte_reader pool_tasks::bytes_of(const sent_bytes& sent) const {
  if (memory_.contains(sent) && checksum(memory_.at(sent.offset), sent.size, sent.number) == sent.check)
    return {memory_.at(sent.offset), sent.size};
  throw bad_encoding(
      "the function or the inputs were written over by a task of this pool that wrote to memory it does not own");
}

}  // namespace parmap::inline PARMAP_ABI::detail
