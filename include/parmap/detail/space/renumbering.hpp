// SPDX-License-Identifier: MIT
// renumbering: the tasks of a map that are to run, where these are not all.
#pragma once

#include <parmap/detail/config.hpp>

#include <cstdint>

namespace parmap::inline PARMAP_ABI::detail {

// Engines see tasks 0 to size() - 1. Any thread may ask.
class renumbering {
 public:
  renumbering(const renumbering&) = delete;
  renumbering& operator=(const renumbering&) = delete;

  // The number of tasks that are to run.
  [[nodiscard]] virtual std::uint64_t size() const noexcept = 0;
  // The index of the k-th of them in the map.
  [[nodiscard]] virtual std::uint64_t index(std::uint64_t k) const noexcept = 0;
  // The random stream of the k-th of them, which it keeps when it has another index in another map.
  [[nodiscard]] virtual std::uint64_t stream(std::uint64_t k) const noexcept = 0;
  // How many more tasks there are that need not run, as they have outcomes.
  [[nodiscard]] virtual std::uint64_t stored() const noexcept { return 0; }

 protected:
  renumbering() = default;
  ~renumbering() = default;
};

}  // namespace parmap::inline PARMAP_ABI::detail
