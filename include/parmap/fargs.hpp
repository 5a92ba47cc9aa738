// SPDX-License-Identifier: MIT
// fargs: fixes the trailing arguments of a function.
#pragma once

#include <parmap/detail/config.hpp>

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// Returns f with its trailing arguments fixed: fargs(power, 3)(x) calls power(x, 3).
///
///     auto cubes = parmap::map(parmap::fargs(power, 3), xs);
///
/// The returned object holds copies of f and of the arguments; std::ref(v) passes v itself. All tasks of a process
/// share these copies, so f must take the fixed arguments by value or const&, and its call operator must be const. Safe
/// to call from several threads at once if f is.
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
