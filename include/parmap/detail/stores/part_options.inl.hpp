// SPDX-License-Identifier: MIT
// The bodies of part_options.hpp.
#pragma once

#include <parmap/detail/stores/part_options.hpp>
#include <parmap/failure.hpp>

namespace parmap::inline PARMAP_ABI::detail {

PARMAP_INLINE options options_of_part(const options& chosen, const task_part& those) {
  options of_part = chosen;
  of_part.part = {};
  if (chosen.retry_if)
    of_part.retry_if = [asked = chosen.retry_if, &those](const failure& why) {
      failure of_map = why;
      of_map.index = those.index(why.index);
      return asked(of_map);
    };
  return of_part;
}

}  // namespace parmap::inline PARMAP_ABI::detail
