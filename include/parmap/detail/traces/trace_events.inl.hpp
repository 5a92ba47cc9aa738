// SPDX-License-Identifier: MIT
// The bodies of trace_events.hpp.
#pragma once

#include <parmap/detail/traces/json_text.hpp>
#include <parmap/detail/traces/trace_events.hpp>

#include <algorithm>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE trace_events::trace_events(clock::time_point began, int pid, std::uint64_t most,
                                         std::function<std::string(unsigned)> row)
    : began_(began),
      pid_(std::to_string(pid)),
      most_(most),
      next_step_(most / 2),
      row_(std::move(row)) {}

PARMAP_INLINE double us_of(std::chrono::nanoseconds span) noexcept {
  return std::chrono::duration<double, std::micro>(span).count();
}

PARMAP_INLINE void trace_events::begin_event(std::string_view phase, unsigned worker, clock::time_point when) {
  text_ += first_ ? "[\n" : ",\n";
  first_ = false;
  ((text_ += R"({"ph":")") += phase) += R"(","pid":)";
  (text_ += pid_) += R"(,"tid":)";
  add_json(text_, std::uint64_t{worker});
  text_ += R"(,"ts":)";
  add_json_real(text_, us_of(when - began_));
}

PARMAP_INLINE void trace_events::add_metadata(std::string_view name, std::string_view arguments) {
  begin_event("M", 0, began_);
  text_ += R"(,"name":)";
  add_json(text_, name);
  ((text_ += R"(,"args":)") += arguments) += '}';
}

PARMAP_INLINE void trace_events::name(unsigned worker, seat& mine) {
  if (std::exchange(mine.named, true)) return;
  begin_event("M", worker, began_);
  text_ += R"(,"name":"thread_name","args":{"name":)";
  add_json(text_, row_ ? row_(worker) : "worker " + std::to_string(worker));
  text_ += "}}";
}

// After half of the slices, and half of the rest, and so on, tasks have to be four times as long for one of their own.
// When they have run out, what is left of each worker shares its last one.
PARMAP_INLINE void trace_events::count_slice() {
  ++written_;
  if (written_ >= next_step_ && written_ < most_) {
    least_ *= 4;
    next_step_ = written_ + (most_ - written_) / 2;
  }
}

PARMAP_INLINE void trace_events::add(const trace_slice& it) {
  seat& mine = seat_of(it.it.worker);
  name(it.it.worker, mine);
  count_slice();
  begin_event("X", it.it.worker, it.it.began);
  text_ += R"(,"dur":)";
  add_json_real(text_, us_of(it.it.took));
  text_ += R"(,"name":"task )";
  add_json(text_, it.index);
  if (it.how != attempt_end::value)
    for (const char c : ' ' + std::string(to_string(it.kind))) text_ += c == '_' ? ' ' : c;
  text_ += it.how == attempt_end::value     ? R"(","cat":"ok","args":{"task":)"
           : it.how == attempt_end::failure ? R"(","cat":"failed","cname":"terrible","args":{"task":)"
                                            : R"(","cat":"retried","cname":"bad","args":{"task":)";
  add_json(text_, it.index);
  if (it.it.number > 1 || it.how == attempt_end::retried) {
    text_ += R"(,"attempt":)";
    add_json(text_, std::uint64_t{it.it.number});
  }
  if (!it.inputs.empty()) {
    text_ += R"(,"inputs":)";
    add_json(text_, it.inputs);
  }
  if (it.how != attempt_end::value) {
    ((text_ += R"(,"kind":")") += to_string(it.kind)) += R"(","message":)";
    add_json(text_, it.message);
  }
  text_ += "}}";
}

PARMAP_INLINE void trace_events::end_shared(unsigned worker, seat& mine) {
  const shared_slice all = std::exchange(mine.shared, {});
  if (all.tasks == 0) return;
  name(worker, mine);
  count_slice();
  begin_event("X", worker, all.began);
  text_ += R"(,"dur":)";
  add_json_real(text_, us_of(all.end - all.began));
  text_ += R"(,"name":")";
  if (all.tasks == 1) {
    text_ += "task ";
    add_json(text_, all.first);
  } else {
    add_json(text_, all.tasks);
    text_ += " tasks";
  }
  text_ += all.failed > 0 ? R"(","cat":"failed","args":{"tasks":)" : R"(","cat":"ok","args":{"tasks":)";
  add_json(text_, all.tasks);
  text_ += R"(,"first":)";
  add_json(text_, all.first);
  text_ += R"(,"last":)";
  add_json(text_, all.last);
  if (all.failed > 0) {
    text_ += R"(,"failed":)";
    add_json(text_, all.failed);
  }
  text_ += R"(,"busy":)";
  add_json_real(text_, us_of(all.busy));
  text_ += R"(,"longest":)";
  add_json_real(text_, us_of(all.longest));
  text_ += "}}";
}

PARMAP_INLINE void trace_events::end_shared() {
  for (unsigned w = 0; w < seats_.size(); ++w) end_shared(w, seats_[w]);
}

PARMAP_INLINE void trace_events::end_wait(unsigned worker, seat& mine, clock::time_point when) {
  mine.waits = false;
  const clock::time_point since = std::max(mine.waits_since, mine.end);
  if (when - since < least_) return;
  if (!stays()) {
    ++left_out_;
    return;
  }
  name(worker, mine);
  count_slice();
  begin_event("X", worker, since);
  text_ += R"(,"dur":)";
  add_json_real(text_, us_of(when - since));
  text_ += R"(,"name":"waits","cat":"wait","cname":"grey","args":{}})";
  mine.end = when;
}

PARMAP_INLINE void trace_events::happened_to(unsigned worker, worker_event what, clock::time_point when) {
  seat& mine = seat_of(worker);
  if (what == worker_event::waits) {
    if (!std::exchange(mine.waits, true)) mine.waits_since = when;
    return;
  }
  mine.waits = false;  // until when is not known: what the worker has run since may be told later
  name(worker, mine);
  if (of_workers_ >= most_ / 10) {
    ++left_out_;
    return;
  }
  ++of_workers_;
  begin_event("i", worker, when);
  text_ += what == worker_event::born ? R"(,"s":"t","name":"worker begins","cat":"worker","args":{}})"
                                      : R"(,"s":"t","name":"worker ends","cat":"worker","args":{}})";
}

PARMAP_INLINE std::string trace_events::take() { return std::exchange(text_, {}); }

}  // namespace parmap::inline PARMAP_ABI::detail
