// SPDX-License-Identifier: MIT
// The messages of one map between its ranks, and how failures and times travel in them.
#pragma once

#include <parmap/detail/cluster/call_error.hpp>
#include <parmap/detail/cluster/message_text.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/failure.hpp>
#include <parmap/summary.hpp>

#include <chrono>
#include <cstdint>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Each message begins with the number of the map and its kind.
enum class message_kind : std::uint64_t {
  // to rank 0
  hello,     // the rank has called the map: where it runs, what it was called with
  wish,      // an agent asks for tasks, or tells how far it is
  stop,      // a stop was requested on this rank
  done,      // an agent's tasks have ended, or it has failed
  outcomes,  // of tasks that have ended, for a store or a trace; all come before the agent's `done`
  // from rank 0
  waits,         // rank 0 is there, and waits for other ranks
  start,         // or the error that all throw
  grant,         // a range of tasks
  nothing_left,  // no further range
  halt,          // begin no further task
  abandon,       // end what runs: the map has failed
  finish,        // all tasks have ended: the failures, or the error that all throw
  // either way
  piece,  // values
};

inline message_writer new_message(std::uint64_t map, message_kind kind) {
  message_writer to;
  to.put(map);
  to.put(static_cast<std::uint64_t>(kind));
  return to;
}

inline void put_error(message_writer& to, const call_error& it) {
  to.put(it.text);
  to.put(static_cast<std::uint64_t>(it.kind));
}
inline call_error get_error(message_reader& from) {
  call_error it;
  it.text = from.text();
  it.kind = static_cast<call_error::kind_type>(from.number());
  return it;
}

inline void put_failures(message_writer& to, const failure_runs& all) {
  to.put(std::uint64_t{all.size()});
  for (const auto& [why, count] : all) {
    to.put(why.index);
    to.put(count);
    to.put(static_cast<std::uint64_t>(why.kind));
    to.put(std::uint64_t{why.attempts});
    to.put(static_cast<std::uint64_t>(why.status));
    to.put(why.message);
    to.put(why.inputs);
    to.put(why.place);
  }
}
inline void add_failures(message_reader& from, failure_runs& to) {
  for (std::uint64_t left = from.number(); left > 0; --left) {
    failure why;
    why.index = from.number();
    const std::uint64_t count = from.number();
    why.kind = static_cast<failure_kind>(from.number());
    why.attempts = static_cast<unsigned>(from.number());
    why.status = static_cast<int>(from.number());
    why.message = from.text();
    why.inputs = from.text();
    why.place = from.text();
    to.emplace_back(std::move(why), count);
  }
}

inline void put_times(message_writer& to, const map_times& all) {
  to.put(static_cast<std::uint64_t>(all.busy.count()));
  to.put(std::uint64_t{all.workers});
  to.put(std::uint64_t{all.slowest.size()});
  for (const task_time& each : all.slowest) {
    to.put(each.index);
    to.put(std::uint64_t{each.attempt});
    to.put(static_cast<std::uint64_t>(each.took.count()));
    to.put(each.inputs);
  }
}
inline map_times get_times(message_reader& from) {
  map_times all;
  all.busy = std::chrono::nanoseconds(static_cast<std::int64_t>(from.number()));
  all.workers = static_cast<unsigned>(from.number());
  for (std::uint64_t left = from.number(); left > 0; --left) {
    task_time each;
    each.index = from.number();
    each.attempt = static_cast<unsigned>(from.number());
    each.took = std::chrono::nanoseconds(static_cast<std::int64_t>(from.number()));
    each.inputs = from.text();
    all.slowest.push_back(std::move(each));
  }
  return all;
}

}  // namespace parmap::inline PARMAP_ABI::detail
