// SPDX-License-Identifier: MIT
// claim_answer: what a worker is to do next.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/schedule/interval.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

struct claim_answer {
  enum class kind { run, wait, leave };

  kind what{kind::leave};
  interval chunk{};      // run: these tasks
  bool was_postponed{};  // run: the supervisor has put the task, and may have more for that place
  std::uint32_t bell{};  // wait: until the bell shows something else
  bool is_idle{};        // wait: nothing is unclaimed, so the round may be over
};

}  // namespace parmap::inline PARMAP_ABI::detail
