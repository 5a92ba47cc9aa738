// SPDX-License-Identifier: MIT
// The bodies of options.hpp.
#pragma once

#include <parmap/options.hpp>

#include <stdexcept>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE void check_values(const options& chosen) {
  if (chosen.timeout && *chosen.timeout <= std::chrono::nanoseconds::zero())
    throw std::invalid_argument("parmap: options.timeout must be positive, but is " +
                                std::to_string(chosen.timeout->count()) + " ns; leave it out for no limit");
  if (chosen.max_failures && *chosen.max_failures == 0)
    throw std::invalid_argument("parmap: options.max_failures must be at least 1; leave it out for no limit");
  if (chosen.memory_limit && *chosen.memory_limit == 0)
    throw std::invalid_argument("parmap: options.memory_limit must be positive; leave it out for no limit");
}

PARMAP_INLINE void refuse(std::string_view engine, std::string_view option, std::string_view remedy) {
  throw std::invalid_argument("parmap: the engine " + std::string(engine) + " has no options." + std::string(option) +
                              ", " + std::string(remedy));
}

}  // namespace parmap::inline PARMAP_ABI::detail
