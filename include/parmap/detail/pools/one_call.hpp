// SPDX-License-Identifier: MIT
// one_call: the arguments of a submitted call, as a space of one combination.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/pools/sent_space.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/encoding.hpp>

#include <cstdint>
#include <tuple>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

template <class... V>
class one_call {
 public:
  using elements = list<const V&...>;

  explicit one_call(std::tuple<V...> all) : all_(std::move(all)) {}

  [[nodiscard]] static constexpr std::uint64_t size() noexcept { return 1; }
  [[nodiscard]] auto cursor(std::uint64_t i) const { return index_cursor{*this, i}; }
  template <class Consume>
  decltype(auto) spread(std::uint64_t, Consume&& consume) const {
    return std::apply(std::forward<Consume>(consume), all_);
  }
  template <class To>
  void show(std::uint64_t, To& to) const {
    std::apply([&to](const V&... each) { (to.add(each), ...); }, all_);
  }
  [[nodiscard]] const std::tuple<V...>& all() const noexcept { return all_; }

 private:
  std::tuple<V...> all_;
};

template <class... V>
struct sent_space<one_call<V...>> {
  using received = one_call<V...>;

  static consteval auto find() {
    return typename first_element_obstacle<decltype(find_element_obstacle<const V*>())...>::type();
  }
  static void encode(encoder& out, const one_call<V...>& call) {
    std::apply([&out](const V&... each) { (out.put(each), ...); }, call.all());
  }
  static received decode([[maybe_unused]] decoder& in) {
    return received(std::tuple<V...>{in.get<V>()...});  // braces: in order
  }
};

template <class... V>
inline constexpr bool encodes_by_foreign_code<one_call<V...>> = !(... && plain_element<V>);

}  // namespace parmap::inline PARMAP_ABI::detail
