// SPDX-License-Identifier: MIT
// fargs: fixes the trailing arguments of a function.
#pragma once

#include <parmap/detail/config.hpp>

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// Returns f with its trailing arguments fixed, by value: fargs(power, 3)(x) calls power(x, 3). The fixed arguments are
/// passed as lvalues of one object that all tasks of a process share: take them by value or const&.
///
///     auto cubes = parmap::map(parmap::fargs(power, 3), xs);
template <class F, class... Fixed>
[[nodiscard]] constexpr auto fargs(F&& f, Fixed&&... fixed) {
  return
      [f = std::forward<F>(f), fixed = std::make_tuple(std::forward<Fixed>(fixed)...)]<class... Xs>(
          Xs&&... xs) -> std::invoke_result_t<const std::decay_t<F>&, Xs..., const std::unwrap_ref_decay_t<Fixed>&...> {
        return std::apply(
            [&](auto&... last) -> decltype(auto) { return std::invoke(f, std::forward<Xs>(xs)..., last...); }, fixed);
      };
}

}  // namespace parmap::inline PARMAP_ABI
