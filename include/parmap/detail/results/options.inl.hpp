// SPDX-License-Identifier: MIT
// The bodies of options.hpp.
#pragma once

#include <parmap/detail/system/fresh_seed.hpp>
#include <parmap/options.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void check_time(const char* name, const std::optional<std::chrono::nanoseconds>& time) {
  if (time && *time <= std::chrono::nanoseconds::zero())
    throw std::invalid_argument("parmap: options." + std::string(name) + " must be positive, but is " +
                                std::to_string(time->count()) + " ns; leave it out for no limit");
}

PARMAP_INLINE void check_values(const options& chosen) {
  check_time("deadline", chosen.deadline);
  check_time("timeout", chosen.timeout);
  if (chosen.retry_delay < std::chrono::nanoseconds::zero())
    throw std::invalid_argument("parmap: options.retry_delay must not be negative, but is " +
                                std::to_string(chosen.retry_delay.count()) + " ns");
  if (chosen.max_failures && *chosen.max_failures == 0)
    throw std::invalid_argument("parmap: options.max_failures must be at least 1; leave it out for no limit");
  if (chosen.memory_limit && *chosen.memory_limit == 0)
    throw std::invalid_argument("parmap: options.memory_limit must be positive; leave it out for no limit");
  if (chosen.part.count() == 0 || chosen.part.count() > std::uint64_t{1} << 63)
    throw std::invalid_argument("parmap: options.part has " +
                                std::to_string(static_cast<std::int64_t>(chosen.part.count())) +
                                " parts; there must be at least 1, such as {3, 16}");
  if (chosen.part.index() >= chosen.part.count())
    throw std::invalid_argument("parmap: options.part is part " +
                                std::to_string(static_cast<std::int64_t>(chosen.part.index())) + " of " +
                                std::to_string(chosen.part.count()) + ", but parts are numbered from 0 to " +
                                std::to_string(chosen.part.count() - 1));
  if (chosen.trace.str().ends_with(".gz"))
    throw std::invalid_argument(
        "parmap: options.trace is \"" + chosen.trace.str() +
        "\", but the C++ library does not compress; leave the .gz out, and run gzip afterwards");
}

PARMAP_INLINE void refuse_stream_options() {
  throw std::invalid_argument(
      "parmap: options.ordered and options.window are for parmap::stream; map returns all results in input order");
}

PARMAP_INLINE void refuse_part(std::string_view what) {
  throw std::invalid_argument("parmap: " + std::string(what) +
                              " has no options.part; parmap::map and parmap::stream have it, and store what a later "
                              "program combines");
}

PARMAP_INLINE void refuse_part_of_ranks(std::string_view engine) {
  refuse(engine, "part",
         "as its ranks share the tasks already; for parts start an array of jobs on one machine each, with multi");
}

PARMAP_INLINE std::uint64_t unchosen_seed(const part& which) { return which.is_whole() ? fresh_seed() : 0; }

PARMAP_INLINE void refuse_interrupts(std::string_view what) {
  throw std::invalid_argument("parmap: " + std::string(what) +
                              " has no options.on_interrupt = parmap::interrupt::keep; parmap::map has it");
}

PARMAP_INLINE void refuse(std::string_view engine, std::string_view option, std::string_view remedy) {
  throw std::invalid_argument("parmap: the engine " + std::string(engine) + " has no options." + std::string(option) +
                              ", " + std::string(remedy));
}

}  // namespace parmap::inline PARMAP_ABI::detail
