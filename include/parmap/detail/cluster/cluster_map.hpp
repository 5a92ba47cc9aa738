// SPDX-License-Identifier: MIT
// cluster_map: one map on the ranks of a link; what depends on f, its axes and its result type.
#pragma once

#include <parmap/detail/cluster/axes_digest.hpp>
#include <parmap/detail/cluster/call_error.hpp>
#include <parmap/detail/cluster/call_records.hpp>
#include <parmap/detail/cluster/cluster_call.hpp>
#include <parmap/detail/cluster/engine_agent.hpp>
#include <parmap/detail/cluster/node_plan.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/checksum.hpp>
#include <parmap/detail/stores/stored_map.hpp>
#include <parmap/detail/stores/sweep_of.hpp>
#include <parmap/detail/traces/trace_path.hpp>
#include <parmap/detail/traces/watched_tasks.hpp>
#include <parmap/engine/multi.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// How an agent runs its tasks.
enum class inner_way { multi, threads, serial };

constexpr const char* to_text(inner_way it) noexcept {
  return it == inner_way::multi ? "multi" : it == inner_way::threads ? "threads" : "serial";
}
constexpr const char* to_text(value_target it) noexcept {
  return it == value_target::rank_0 ? "root" : it == value_target::every_rank ? "all" : "none";
}

// The same for the same type in every process that runs this program.
template <class T>
std::uint64_t digest_of_type() noexcept {
  constexpr std::string_view name = __PRETTY_FUNCTION__;
  return checksum(reinterpret_cast<const std::byte*>(name.data()), name.size(), 0);
}

// Throws std::invalid_argument for options that the inner engine does not have: on every rank, before they meet.
PARMAP_API void refuse_what_ranks_lack(const options& chosen, bool in_processes, bool take_context);

// Throws std::invalid_argument if a store cannot keep the values or the elements of the axes.
template <class Tasks>
void check_can_store() {
  if constexpr (!can_store_value<typename Tasks::result>) refuse_store_for_values();
  else if constexpr (!can_store_space<typename Tasks::space_type>) refuse_store_for_axes();
}

// What rank 0 needs to know of f and the axes for its store and its trace.
template <class Tasks>
call_records::request records_of(const Tasks& tasks, const options& chosen, engine_agent<Tasks>& agent) {
  call_records::request asked{.chosen = chosen, .tasks = tasks.size(), .watched = watched(tasks)};
  if constexpr (can_store_value<typename Tasks::result> && can_store_space<typename Tasks::space_type>) {
    asked.what = [&tasks, &chosen] {
      return sweep_of<typename Tasks::result>(tasks.function(), tasks.space(), chosen.seed);
    };
    asked.keep = [&agent](std::uint64_t i, const stored_value& it) { agent.keep_stored(i, it); };
  }
  return asked;
}

template <class Tasks>
results<typename Tasks::result> map_on_ranks(rank_link& link, crew_memory& memory, const Tasks& tasks,
                                             const options& chosen, const std::string& site, value_target target,
                                             inner_way inner) {
  using value = typename Tasks::result;
  const bool in_processes = inner == inner_way::multi;
  refuse_what_ranks_lack(chosen, in_processes, Tasks::takes_context);
  if constexpr (std::is_void_v<value>)  // there is nothing to gather, and nothing that would be elsewhere
    target = value_target::every_rank;
  const bool keeps = target == value_target::nowhere_else || (target == value_target::rank_0 && link.rank() == 0);
  call_facts facts;
  facts.add_call(site, digest_of_type<Tasks>(), chosen);
  facts.add_choice("gather", to_text(target));
  facts.add_choice("inner", to_text(inner));

  std::optional<engine_agent<Tasks>> agent;
  std::optional<call_records> records;
  call_error error;
  try {
    add_fixed_of(tasks.function(), facts);
    add_axes(tasks.space(), facts);
    agent.emplace(tasks, chosen, in_processes, keeps, target == value_target::every_rank,
                  place_of_rank(link.rank(), link.size()));
    if (chosen.store != nullptr) check_can_store<Tasks>();
    if (link.rank() == 0 && (chosen.store != nullptr || is_traced(chosen)))
      records.emplace(records_of(tasks, chosen, *agent));
  } catch (...) {
    error = call_error::of_current();
  }
  cluster_call call(link, memory,
                    {.chosen = chosen,
                     .tasks = tasks.size(),
                     .site = site,
                     .target = target,
                     .each_rank = inner == inner_way::serial,
                     .records = records ? &*records : nullptr},
                    std::move(facts));
  call.meet(error);
  call.run(*agent);
  if constexpr (!std::is_void_v<value>) call.gather(*agent);
  const bool partial = !std::is_void_v<value> && call.is_partial();
  results<value> made =
      partial ? agent->finish(call.absent(*agent), call.seed()) : agent->finish(call.failures(), call.seed());
  if (partial) made.note_absent(call.failures());
  if (call.has_times()) made.note_times(call.times());
  if (call.stored().count > 0) made.note_stored(call.stored());
  return made;
}

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/cluster/cluster_map.inl.hpp>
#endif
