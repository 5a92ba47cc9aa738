// SPDX-License-Identifier: MIT
// The bodies of status_text.hpp.
#pragma once

#include <parmap/detail/results/failure_causes.hpp>
#include <parmap/detail/system/this_process.hpp>
#include <parmap/detail/traces/json_text.hpp>
#include <parmap/detail/traces/status_text.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE map_identity identity_of_process() {
  map_identity mine;
  mine.host = host_name();
  mine.program = program_name();
  mine.pid = process_id();
  mine.began = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return mine;
}

PARMAP_INLINE double seconds_of(std::chrono::nanoseconds span) noexcept {
  return std::chrono::duration<double>(span).count();
}

// Fields of an object of JSON, one after the other.
class json_fields {
 public:
  explicit json_fields(std::string& to) : to_(to) {}

  std::string& name(std::string_view text) {
    if (!first_) to_ += ',';
    first_ = false;
    add_json(to_, text);
    return to_ += ':';
  }
  void add(std::string_view field, std::string_view value) { add_json(name(field), value); }
  void add(std::string_view field, std::uint64_t value) { add_json(name(field), value); }
  void add_real(std::string_view field, double value) { add_json_real(name(field), value, 6); }

 private:
  std::string& to_;
  bool first_{true};
};

PARMAP_INLINE void add_identity(std::string& to, const map_identity& of) {
  json_fields fields(to);
  fields.add("label", of.label);
  fields.add("engine", of.engine);
  fields.add("program", of.program);
  fields.add("host", of.host);
  fields.add("pid", static_cast<std::uint64_t>(of.pid));
  fields.add_real("began", of.began);
  if (of.tasks) fields.add("tasks", *of.tasks + of.stored);
  else fields.name("tasks") += "null";
  fields.add("stored", of.stored);
}

PARMAP_INLINE void add_account(std::string& to, const map_account& of) {
  json_fields fields(to);
  fields.add("completed", of.completed());
  fields.add("failed", of.failed());
  fields.add("retried", of.retried());
  fields.add_real("busy", seconds_of(of.busy()));
  fields.name("failures") += '[';
  bool first = true;
  for (const map_account::cause* const each : of.causes()) {
    if (!first) to += ',';
    first = false;
    to += '{';
    json_fields about(to);
    about.add("kind", to_string(each->first.kind));
    about.add("message", each->differs ? without_numbers(each->first.message) : each->first.message);
    about.add("count", each->count);
    about.add("first", each->first.index);
    about.add("inputs", each->first.inputs);
    to += '}';
  }
  to += ']';
  fields.add("of_other_causes", of.of_other_causes());
}

PARMAP_INLINE std::string_view to_text(map_end end) noexcept {
  switch (end) {
    case map_end::not_yet: return "not yet";
    case map_end::complete: return "complete";
    case map_end::incomplete: return "incomplete";
    case map_end::exception: return "exception";
  }
  return "unknown";
}

PARMAP_INLINE std::string status_text(const map_identity& of, const map_account& so_far, const map_state& now) {
  std::string text = R"({"parmap_status":1,)";
  add_identity(text, of);
  text += ',';
  add_account(text, so_far);
  text += ',';
  json_fields fields(text);
  fields.add_real("heartbeat", now.heartbeat);
  fields.add_real("elapsed", seconds_of(now.elapsed));
  fields.add_real("rate", now.rate);
  const std::uint64_t done = so_far.completed() + so_far.failed();
  if (of.tasks && *of.tasks <= done) fields.add_real("left", 0);
  else if (of.tasks && now.rate > 0) fields.add_real("left", static_cast<double>(*of.tasks - done) / now.rate);
  else fields.name("left") += "null";
  fields.add("workers", std::uint64_t{now.workers});
  fields.add("running", std::uint64_t{now.running.size()});
  fields.name("oldest") += '[';
  for (std::size_t k = 0; k < std::min(now.running.size(), most_running_shown); ++k) {
    const running_task& each = now.running[k];
    text += k == 0 ? "{" : ",{";
    json_fields about(text);
    about.add("task", each.task);
    about.add("inputs", each.inputs);
    about.add("attempt", std::uint64_t{each.attempt});
    about.add("worker", std::uint64_t{each.worker});
    about.add_real("seconds", seconds_of(each.age));
    text += '}';
  }
  text += ']';
  fields.name("ended") += now.end == map_end::not_yet ? "false" : "true";
  fields.add("how", to_text(now.end));
  return text += "}\n";
}

PARMAP_INLINE std::string end_of_trace_text(const map_identity& of, const map_account& all, const map_state& last,
                                            std::uint64_t left_out) {
  std::string text = "{";
  add_identity(text, of);
  text += ',';
  add_account(text, all);
  text += ',';
  json_fields fields(text);
  fields.add_real("elapsed", seconds_of(last.elapsed));
  fields.add("workers", std::uint64_t{last.workers});
  fields.add("how", to_text(last.end));
  fields.add("left_out", left_out);
  fields.name("slowest") += '[';
  for (std::size_t k = 0; k < all.slowest().size(); ++k) {
    const map_account::slow_task& each = all.slowest()[k];
    text += k == 0 ? "{" : ",{";
    json_fields about(text);
    about.add("task", each.task);
    about.add("attempt", std::uint64_t{each.attempt});
    about.add_real("us", std::chrono::duration<double, std::micro>(each.took).count());
    about.name("ok") += each.failed ? "false" : "true";
    about.add("inputs", each.inputs);
    text += '}';
  }
  text += ']';
  fields.add("bins_of_a_decade", std::uint64_t{map_account::parts});  // the first begins at 1 ns
  fields.name("histogram") += '[';
  std::size_t used = all.histogram().size();
  while (used > 0 && all.histogram()[used - 1] == 0) --used;
  for (std::size_t k = 0; k < used; ++k) {
    if (k > 0) text += ',';
    add_json(text, all.histogram()[k]);
  }
  return text += "]}";
}

}  // namespace parmap::inline PARMAP_ABI::detail
