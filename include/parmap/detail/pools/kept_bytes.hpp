// SPDX-License-Identifier: MIT
// kept_bytes: encoded functions and inputs in the memory of a pool, as those see them who keep them.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/pools/batch_table.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A function in the memory of a pool, kept as long as somebody may use it.
struct kept_function {
  sent_bytes where;
  std::vector<std::byte> bytes;
  // Of its tasks, under the dispatcher's lock.
  double mean_ticks{};    // of the latest; 0: none has ended
  std::uint64_t ended{};  // how many
};

// Inputs in the memory of a pool, kept as long as somebody may use them.
using kept_inputs = std::shared_ptr<const sent_bytes>;

}  // namespace parmap::inline PARMAP_ABI::detail
