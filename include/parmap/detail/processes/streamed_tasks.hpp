// SPDX-License-Identifier: MIT
// streamed_tasks_of: the tasks of a stream as a worker runs them, and how their values get into its ring.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/processes/outcome_ring.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/stream_outlet.hpp>
#include <parmap/detail/processes/worker_chunk.hpp>
#include <parmap/encoding.hpp>

#include <cstdint>
#include <type_traits>

namespace parmap::inline PARMAP_ABI::detail {

// A value whose bytes fit into a cell.
template <class T>
inline constexpr bool is_short = plain<T> && sizeof(T) <= ring_cell::longest_here;
template <>
inline constexpr bool is_short<void> = false;

// Runs a task by call() and sends its value as that of `task`. Throws what call throws, or not_encoded.
template <class T, class Call>
void send_value(stream_outlet& outlet, std::uint64_t task, unsigned attempt, const Call& call) {
  if constexpr (std::is_void_v<T>) {
    call();
    outlet.send(task, attempt, [](byte_writer&) {});
  } else {
    const T& made = call();
    if constexpr (is_short<T>) return outlet.send_plain(task, attempt, made);
    else
      outlet.send(task, attempt, [&made](byte_writer& bytes) {
        try {
          encoder(bytes).put(made);
        } catch (const arena_full&) {
          throw;  // the ring has more room elsewhere
        } catch (...) {
          throw_not_encoded();
        }
      });
  }
}

// The tasks of a stream as a worker runs them; see process_tasks_of.
template <class Tasks>
class streamed_tasks_of final : public process_tasks {
 public:
  using value = typename Tasks::result;

  explicit streamed_tasks_of(const Tasks& tasks) : process_tasks(tasks.size(), {slot_kind::none, 0}), tasks_(tasks) {}

  void run(worker_chunk& chunk, context& self) const override {
    tasks_.for_each(chunk.next(), chunk.end(), self, [&](std::uint64_t i, const auto& call) {
      if constexpr (Tasks::takes_context) chunk.begin_task(self);
      else chunk.begin_task();
      send_value<value>(chunk.outlet(), i, chunk.attempt(), call);
      chunk.end_task();
      return true;
    });
  }

 private:
  const Tasks& tasks_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
