// SPDX-License-Identifier: MIT
// fargs: fixes the trailing arguments of a function.
#pragma once

#include <parmap/detail/config.hpp>

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

namespace detail {

// What fargs returns. A std::reference_wrapper among the fixed arguments is passed as what it refers to.
template <class F, class... Fixed>
class fixed_arguments {
 public:
  template <class From, class... Values>
  constexpr explicit fixed_arguments(std::in_place_t, From&& f, Values&&... fixed)
      : f_(std::forward<From>(f)),
        fixed_(std::forward<Values>(fixed)...) {}

  template <class... Xs>
  constexpr auto operator()(Xs&&... xs) const
      -> std::invoke_result_t<const F&, Xs..., const std::unwrap_reference_t<Fixed>&...> {
    return std::apply(
        [&](const Fixed&... last) -> decltype(auto) {
          return std::invoke(f_, std::forward<Xs>(xs)..., static_cast<const std::unwrap_reference_t<Fixed>&>(last)...);
        },
        fixed_);
  }

  [[nodiscard]] constexpr const F& function() const noexcept { return f_; }
  [[nodiscard]] constexpr const std::tuple<Fixed...>& fixed() const noexcept { return fixed_; }

 private:
  [[no_unique_address]] F f_;
  [[no_unique_address]] std::tuple<Fixed...> fixed_;
};

}  // namespace detail

/// Returns f with its trailing arguments fixed: fargs(power, 3)(x) calls power(x, 3).
///
///     auto cubes = parmap::map(parmap::fargs(power, 3), xs);
///
/// The returned object holds copies of f and of the arguments; std::ref(v) passes v itself. All tasks of a process
/// share these copies, so f must take the fixed arguments by value or const&, and its call operator must be const. Safe
/// to call from several threads at once if f is.
template <class F, class... Fixed>
[[nodiscard]] constexpr auto fargs(F&& f, Fixed&&... fixed) {
  return detail::fixed_arguments<std::decay_t<F>, std::decay_t<Fixed>...>(std::in_place, std::forward<F>(f),
                                                                          std::forward<Fixed>(fixed)...);
}

}  // namespace parmap::inline PARMAP_ABI
