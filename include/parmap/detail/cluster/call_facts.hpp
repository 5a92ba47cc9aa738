// SPDX-License-Identifier: MIT
// call_facts: what all ranks must agree on when they call a map together, as names and texts that can be compared.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/options.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

struct call_fact {
  std::string name;
  std::string value;
  bool is_digest{};  // the value itself tells a reader nothing
};

class call_facts {
 public:
  // Where the map is called, and its options.
  PARMAP_API void add_call(const std::string& site, std::uint64_t types, const options& chosen);
  PARMAP_API void add_choice(const char* name, const char* value);
  // The next axis. `digest`: of its elements; none if they are not compared.
  PARMAP_API void add_axis(std::uint64_t size, const std::optional<std::uint64_t>& digest);

  [[nodiscard]] const std::vector<call_fact>& all() const noexcept { return all_; }

 private:
  void add(const char* name, std::string value) { all_.push_back({name, std::move(value), false}); }

  std::vector<call_fact> all_;
  std::size_t axes_{};
};

// The first difference, as an error says it; empty if there is none. `who`: the rank that has `other`, as text.
[[nodiscard]] std::string difference(const std::vector<call_fact>& of_rank_0, const std::vector<call_fact>& other,
                                     const std::string& who);

}  // namespace parmap::inline PARMAP_ABI::detail

#ifndef PARMAP_COMPILED
#include <parmap/detail/cluster/call_facts.inl.hpp>
#endif
