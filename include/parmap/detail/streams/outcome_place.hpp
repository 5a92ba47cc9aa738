// SPDX-License-Identifier: MIT
// outcome_place: where a task of a stream in this process puts its value.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/outcome.hpp>

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// For one task at a time. See value_places.hpp.
template <class T>
class outcome_place {
 public:
  template <class Call>
  void put(std::uint64_t, const Call& call) {
    if constexpr (std::is_void_v<T>) {
      call();
      value_.emplace();
    } else {
      value_.emplace(call());
    }
  }
  [[nodiscard]] outcome<T> take() {
    outcome<T> taken = std::move(*value_);
    value_.reset();
    return taken;
  }
  void drop() noexcept { value_.reset(); }

 private:
  std::optional<outcome<T>> value_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
