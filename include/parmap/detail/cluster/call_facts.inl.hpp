// SPDX-License-Identifier: MIT
// The bodies of call_facts.hpp.
#pragma once

#include <parmap/detail/cluster/call_facts.hpp>

#include <chrono>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE std::string fact_text(const std::optional<std::chrono::nanoseconds>& time) {
  return time ? std::to_string(time->count()) + " ns" : "none";
}
PARMAP_INLINE std::string fact_text(const std::optional<std::uint64_t>& number) {
  return number ? std::to_string(*number) : "none";
}

PARMAP_INLINE void call_facts::add_call(const std::string& site, std::uint64_t types, const options& chosen) {
  add("the place of the call", site);
  all_.push_back({"the types of f and of the axes", std::to_string(types), true});
  add("options.deadline", fact_text(chosen.deadline));
  add("options.max_failures", fact_text(chosen.max_failures));
  add("options.memory_limit", fact_text(chosen.memory_limit));
  add("options.retries", std::to_string(chosen.retries));
  add("options.retry_delay", fact_text(chosen.retry_delay));
  add("options.retry_if", chosen.retry_if ? "set" : "none");
  add("options.seed", fact_text(chosen.seed));
  add("options.store", chosen.store != nullptr ? "set" : "none");
  add("options.timeout", fact_text(chosen.timeout));
  add("options.workers", std::to_string(chosen.workers));
}

PARMAP_INLINE void call_facts::add_choice(const char* name, const char* value) { add(name, value); }

PARMAP_INLINE void call_facts::add_fixed(const std::optional<std::uint64_t>& digest) {
  all_.push_back({"the fixed arguments of f", digest ? std::to_string(*digest) : "", true});
}

PARMAP_INLINE void call_facts::add_axis(std::uint64_t size, const std::optional<std::uint64_t>& digest) {
  const std::string axis = "axis " + std::to_string(++axes_);
  all_.push_back({"the size of " + axis, std::to_string(size), false});
  all_.push_back({"the elements of " + axis, digest ? std::to_string(*digest) : "", true});
}

PARMAP_INLINE std::string difference(const std::vector<call_fact>& of_rank_0, const std::vector<call_fact>& other,
                                     const std::string& who) {
  constexpr const char* remedy =
      "; parmap::mpi is collective: every rank calls the same map, with the same axes and options";
  for (std::size_t k = 0; k < of_rank_0.size() && k < other.size(); ++k) {
    const call_fact& one = of_rank_0[k];
    const call_fact& two = other[k];
    if (one.name == two.name && one.value == two.value) continue;
    std::string text = "parmap: the ranks disagree on ";
    if (one.name != two.name) return text + "the number of axes (rank 0, " + who + ")" + remedy;
    if (one.is_digest)
      return text + one.name + ": those of " + who + " differ from those of rank 0" +
             (one.name.starts_with("the elements")
                  ? "; if they are read or drawn at random, do that on one rank and broadcast them (MPI_Bcast)"
                  : remedy);
    return text + one.name + ": " + one.value + " on rank 0, " + two.value + " on " + who + remedy;
  }
  if (of_rank_0.size() == other.size()) return {};
  return "parmap: the ranks disagree on the number of axes (rank 0, " + who + ")" + remedy;
}

}  // namespace parmap::inline PARMAP_ABI::detail
