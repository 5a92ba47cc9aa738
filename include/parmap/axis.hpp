// SPDX-License-Identifier: MIT
// axis: a range with a name, which stands in failures, summaries and tables of results.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/space/axis_keys.hpp>
#include <parmap/detail/space/refused_calls.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI {

/// A named axis: the elements of a range, and a name for them. axis() makes it. Copies share the elements. Several
/// threads may read it at once.
template <class T>
class named_axis {
 public:
  using value_type = T;
  using elements = detail::list<typename std::vector<T>::const_reference>;

  /// What axis() calls. Throws std::invalid_argument if the name is empty.
  named_axis(std::string name, std::vector<T> values)
      : name_(std::make_shared<const std::string>(std::move(name))),
        values_(std::make_shared<const std::vector<T>>(std::move(values))) {
    if (name_->empty()) throw std::invalid_argument("parmap::axis: the name is empty");
  }
  /// The same with keys. Throws std::invalid_argument if two are equal.
  named_axis(std::string name, std::vector<T> values, detail::axis_keys keys)
      : named_axis(std::move(name), std::move(values)) {
    keys.expect_unequal(*name_);
    keys_ = std::make_shared<const detail::axis_keys>(std::move(keys));
  }

  /// The name.
  [[nodiscard]] const std::string& name() const noexcept { return *name_; }
  /// The elements.
  [[nodiscard]] const std::vector<T>& values() const noexcept { return *values_; }
  /// The number of elements. O(1).
  [[nodiscard]] std::uint64_t size() const noexcept { return values_->size(); }

  /// For engines: the position of element i.
  [[nodiscard]] auto cursor(std::uint64_t i) const { return detail::index_cursor{*this, i}; }
  /// For engines: returns consume(element i).
  template <class Consume>
  decltype(auto) spread(std::uint64_t i, Consume&& consume) const {
    return consume((*values_)[i]);
  }
  /// For engines: shows the name and element i, for the text of a failure.
  template <class To>
  void show(std::uint64_t i, To& to) const {
    to.name(*name_);
    if (keys_ != nullptr) keys_->visit(i, [&to](const auto& key) { to.add(key); });
    else to.add((*values_)[i]);
  }
  /// For engines: adds this axis to the columns of a table. `place`: how a task's index becomes one of an element.
  template <class Columns>
  void add_columns(Columns& to, const typename Columns::place_type& place) const {
    if (keys_ != nullptr) to.add(name_, keys_->texts(), place);
    else to.add(name_, values_, place);
  }
  /// For stores: what identifies the elements; null: they do themselves.
  [[nodiscard]] const detail::axis_keys* keys() const noexcept { return keys_.get(); }

 private:
  std::shared_ptr<const std::string> name_;
  std::shared_ptr<const std::vector<T>> values_;
  std::shared_ptr<const detail::axis_keys> keys_;
};

namespace detail {
template <class T>
inline constexpr bool is_space<named_axis<T>> = true;
template <class T>
inline constexpr bool has_names<named_axis<T>> = true;
}  // namespace detail

/// An axis with a name, for map, stream, product and zip. Failures, summaries and results::write_csv then name the
/// inputs of a task: `mu=-0.25, x0=2`.
///
///     auto r = parmap::map(simulate, parmap::axis("mu", mus), parmap::axis("x0", x0s));   // simulate(mus[i], x0s[j])
///     std::ofstream file("sweep.csv");
///     r.write_csv(file);                                                                  // mu,x0,value,...
///
/// f gets each element as `const T&`. The axis owns its elements: it takes over the memory of a std::vector that is
/// passed as a temporary (`std::move(mus)`), and copies any other range. So a range that computes its elements computes
/// each once, here. Throws std::invalid_argument if the name is empty, and what reading the range throws. O(n).
template <class Range>
[[nodiscard]] auto axis(std::string name, Range&& range) {
  constexpr bool is_range = std::ranges::input_range<Range>;
  static_assert(is_range,
                "parmap::axis takes a name and one range: parmap::axis(\"mu\", mus); of a product or zip, name "
                "each axis: parmap::zip(parmap::axis(\"a\", a), parmap::axis(\"b\", b))");
  if constexpr (!is_range) {
    return named_axis<detail::int_after_error<Range>>(std::move(name), {});  // so that this is the only error
  } else if constexpr (detail::endless<Range>) {
    static_assert(!detail::endless<Range>,
                  "parmap: an endless range cannot be a named axis; bound it, for example with "
                  "std::views::take(n)");
    return named_axis<detail::int_after_error<Range>>(std::move(name), {});
  } else if constexpr (std::is_same_v<Range, std::vector<std::ranges::range_value_t<Range>>>) {
    return named_axis<typename Range::value_type>(std::move(name), std::forward<Range>(range));
  } else {
    using value = std::ranges::range_value_t<Range>;
    constexpr bool can_be_kept =
        !std::is_array_v<value> && std::is_constructible_v<value, std::ranges::range_reference_t<Range>>;
    static_assert(can_be_kept, "parmap::axis keeps the elements, but this type cannot be copied; pass a std::vector as "
                               "a temporary: parmap::axis(name, std::move(values))");
    std::vector<std::conditional_t<can_be_kept, value, int>> values;
    if constexpr (can_be_kept) {
      if constexpr (std::ranges::sized_range<Range>) values.reserve(static_cast<std::size_t>(std::ranges::size(range)));
      for (auto&& element : range) values.emplace_back(static_cast<decltype(element)&&>(element));
    }
    return named_axis<typename decltype(values)::value_type>(std::move(name), std::move(values));
  }
}
/// The same of elements in braces: parmap::axis("mu", {0.1, 0.5, 1.0}).
template <class T>
[[nodiscard]] named_axis<T> axis(std::string name, std::initializer_list<T> values) {
  return {std::move(name), std::vector<T>(values)};
}

/// The same of elements that a key identifies: a projection, such as a member or a lambda, that returns a number, a
/// bool, an enum or text, another one for each element. parmap::checkpoint then stores and compares the keys, so that
/// the elements need no codec; failures and tables show the keys. Throws std::invalid_argument also if two keys are
/// equal.
///
///     parmap::axis("model", models, &model::name)
template <class Range, class Key>
[[nodiscard]] auto axis(std::string name, Range&& range, Key&& key) {
  auto plain = axis(std::move(name), std::forward<Range>(range));
  using element = typename decltype(plain)::value_type;
  constexpr bool is_key = std::invocable<Key&, const element&>;
  static_assert(is_key, "parmap::axis: the key is a projection that is called with an element of the axis");
  if constexpr (is_key) {
    using result = std::remove_cvref_t<std::invoke_result_t<Key&, const element&>>;
    constexpr bool is_plain = detail::can_be_key<result>;
    static_assert(is_plain, "parmap::axis: the key of an element must be a number, a bool, an enum or text");
    if constexpr (is_plain)
      return named_axis<element>(plain.name(), plain.values(), detail::axis_keys(plain.values(), key));
    else return plain;
  } else {
    return plain;
  }
}

}  // namespace parmap::inline PARMAP_ABI
