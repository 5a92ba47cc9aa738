// SPDX-License-Identifier: MIT
// One axis: makes a range indexable, in place where possible, and spreads its elements into arguments.
#pragma once

#include <parmap/detail/config.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// A space has: `elements` (the list of types that an index spreads into), size(), spread(i, consume), which returns
// consume(elements...), and cursor(i), which has spread(consume) and ++. Evaluating an element may run the caller's
// code, so only spread does it. show(i, to) calls to.add(element) for each element that lies in memory, and
// to.add_unknown() for one that would be computed; a named axis calls to.name(text) first. A space that has_names has
// add_columns(columns, place), which adds each named axis to the columns of a table.
template <class Space>
inline constexpr bool is_space = false;
template <class Space>
inline constexpr bool has_names = false;

template <class... Elements>
struct list {
  using tuple = std::tuple<Elements...>;
};

template <class... Lists>
struct concat;
template <class... A>
struct concat<list<A...>> {
  using type = list<A...>;
};
template <class... A, class... B, class... Rest>
struct concat<list<A...>, list<B...>, Rest...> : concat<list<A..., B...>, Rest...> {};
template <class... Lists>
using concat_t = typename concat<Lists...>::type;

template <class Space>
struct index_cursor {
  const Space& space;
  std::uint64_t i;

  index_cursor& operator++() noexcept {
    ++i;
    return *this;
  }
  template <class Consume>
  decltype(auto) spread(Consume&& consume) const {
    return space.spread(i, std::forward<Consume>(consume));
  }
};
template <class Space>
index_cursor(const Space&, std::uint64_t) -> index_cursor<Space>;

template <class Space>
auto tuple_at(const Space& space, std::uint64_t i) {
  using tuple = typename Space::elements::tuple;
  return space.spread(i, [](auto&&... x) { return tuple(static_cast<decltype(x)&&>(x)...); });
}

// Calls consume with the elements of every axis from the K-th on, each at its own index.
template <std::size_t K, class Axes, class At, class Consume>
decltype(auto) spread_at(const Axes& axes, const At& at, Consume&& consume) {
  if constexpr (K + 1 == std::tuple_size_v<Axes>) {
    return std::get<K>(axes).spread(at[K], std::forward<Consume>(consume));
  } else {
    return std::get<K>(axes).spread(at[K], [&](auto&&... head) -> decltype(auto) {
      return spread_at<K + 1>(axes, at, [&](auto&&... tail) -> decltype(auto) {
        return consume(static_cast<decltype(head)&&>(head)..., static_cast<decltype(tail)&&>(tail)...);
      });
    });
  }
}

// Shows the element of every axis, each at its own index.
template <class... Axes, class At, class To>
void show_at(const std::tuple<Axes...>& axes, const At& at, To& to) {
  [&]<std::size_t... K>(std::index_sequence<K...>) {
    (std::get<K>(axes).show(at[K], to), ...);
  }(std::index_sequence_for<Axes...>());
}

// Adds the named axes to the columns of a table. `places`: of each axis.
template <class... Axes, class Columns, class Places>
void add_columns_of(const std::tuple<Axes...>& axes, Columns& to, const Places& places) {
  const auto add = [&to]<class Axis>(const Axis& axis, const auto& place) {
    if constexpr (has_names<Axis>) axis.add_columns(to, place);
  };
  [&]<std::size_t... K>(std::index_sequence<K...>) {
    (add(std::get<K>(axes), places[K]), ...);
  }(std::index_sequence_for<Axes...>());
}

template <class Range>
inline constexpr bool is_iota = false;
template <class W, class Bound>
inline constexpr bool is_iota<std::ranges::iota_view<W, Bound>> = std::is_integral_v<W>;

// Whether the elements of a range lie in memory, or are as simple as those of iota, so that reading one again is sure
// to do nothing else.
template <class Range>
inline constexpr bool stores_elements =
    std::contiguous_iterator<std::ranges::iterator_t<Range>> || is_iota<std::remove_cvref_t<Range>> ||
    (!std::ranges::view<std::remove_cvref_t<Range>> &&
     std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>>);

// A random-access range in place. `owner` keeps a temporary alive at a fixed address: moving a range may invalidate its
// iterators.
template <class Iterator, bool Stored = false>
class indexed_axis {
 public:
  using elements = list<std::iter_reference_t<Iterator>>;

  indexed_axis(Iterator first, std::uint64_t size, std::shared_ptr<const void> owner)
      : first_(std::move(first)),
        size_(size),
        owner_(std::move(owner)) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] auto cursor(std::uint64_t i) const { return index_cursor{*this, i}; }
  template <class Consume>
  decltype(auto) spread(std::uint64_t i, Consume&& consume) const {
    return consume(*(first_ + static_cast<std::iter_difference_t<Iterator>>(i)));
  }
  template <class To>
  void show(std::uint64_t i, To& to) const {
    if constexpr (Stored) spread(i, [&to](const auto& element) { to.add(element); });
    else to.add_unknown();
  }

 private:
  Iterator first_;
  std::uint64_t size_;
  std::shared_ptr<const void> owner_;
};

// A forward range without random access: stores an iterator to each element.
template <class Iterator, bool Stored = false>
class walked_axis {
 public:
  using elements = list<std::iter_reference_t<Iterator>>;

  walked_axis(std::vector<Iterator> places, std::shared_ptr<const void> owner)
      : places_(std::make_shared<const std::vector<Iterator>>(std::move(places))),
        owner_(std::move(owner)) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return places_->size(); }
  [[nodiscard]] auto cursor(std::uint64_t i) const { return index_cursor{*this, i}; }
  template <class Consume>
  decltype(auto) spread(std::uint64_t i, Consume&& consume) const {
    return consume(*(*places_)[i]);
  }
  template <class To>
  void show(std::uint64_t i, To& to) const {
    if constexpr (Stored) spread(i, [&to](const auto& element) { to.add(element); });
    else to.add_unknown();
  }

 private:
  std::shared_ptr<const std::vector<Iterator>> places_;
  std::shared_ptr<const void> owner_;
};

// Whether the range is endless: by its sentinel, also through the views that keep its length.
template <class View>
inline constexpr bool endless_view = false;
template <std::ranges::range R>
inline constexpr bool endless =
    std::same_as<std::ranges::sentinel_t<R>, std::unreachable_sentinel_t> || endless_view<std::remove_cvref_t<R>>;
template <class V, class F>
inline constexpr bool endless_view<std::ranges::transform_view<V, F>> = endless<V>;
template <class V, class F>
inline constexpr bool endless_view<std::ranges::filter_view<V, F>> = endless<V>;
template <class V>
inline constexpr bool endless_view<std::ranges::drop_view<V>> = endless<V>;
template <class V, std::size_t K>
inline constexpr bool endless_view<std::ranges::elements_view<V, K>> = endless<V>;
template <class R>
inline constexpr bool endless_view<std::ranges::ref_view<R>> = endless<R>;

// What zip() returns if one of its ranges is endless, or can be read once only: the ranges as they are, as a stream
// reads them as it goes. A map reads them whole: read_whole() returns their space. Ranges of the caller are references.
template <class... Ranges>
struct unread_zip {
  std::tuple<Ranges...> ranges;
};
template <class... Ranges>
inline constexpr bool is_space<unread_zip<Ranges...>> = true;
template <class T>
inline constexpr bool is_unread_zip = false;
template <class... Ranges>
inline constexpr bool is_unread_zip<unread_zip<Ranges...>> = true;

// Whether a stream reads this range as it goes.
template <class Range>
consteval bool is_read_as_it_goes() {
  if constexpr (is_unread_zip<std::remove_cvref_t<Range>>) return true;
  else if constexpr (!std::ranges::range<Range>) return false;
  else return endless<Range> || !std::ranges::forward_range<Range>;
}

template <class Range>
auto make_axis(Range&& range) {
  using plain = std::remove_cvref_t<Range>;
  if constexpr (is_unread_zip<plain>) {
    return read_whole(std::forward<Range>(range));  // in product.hpp
  } else if constexpr (is_space<plain>) {
    return plain(std::forward<Range>(range));
  } else {
    constexpr bool is_range = std::ranges::range<Range>;  // a bool: for a concept the compiler would print all details
    static_assert(
        is_range,
        "parmap: every argument after f must be a range (an axis), or parmap::options at the end; fix a single "
        "value by parmap::fargs(f, value)");
    if constexpr (is_range) {
      static_assert(!endless<Range>, "parmap: an endless axis cannot be mapped; bound it, for example with "
                                     "std::views::iota(0, n), or use parmap::stream");
      // Where the range is stored: in place if it is the caller's, or moved to a fixed address if it is a temporary.
      auto keep = [&] {
        if constexpr (std::is_lvalue_reference_v<Range>) return std::addressof(range);
        else return std::make_shared<plain>(std::forward<Range>(range));
      };
      auto source = keep();
      auto owner = [&]() -> std::shared_ptr<const void> {
        if constexpr (std::is_lvalue_reference_v<Range>) return nullptr;
        else return source;
      };
      using kept = std::remove_reference_t<decltype(*source)>;
      if constexpr (std::ranges::random_access_range<kept> && std::ranges::sized_range<kept>) {
        return indexed_axis<std::ranges::iterator_t<kept>, stores_elements<kept>>(
            std::ranges::begin(*source), static_cast<std::uint64_t>(std::ranges::size(*source)), owner());
      } else if constexpr (std::ranges::forward_range<kept>) {
        using iterator = std::ranges::iterator_t<kept>;
        std::vector<iterator> places;
        for (auto at = std::ranges::begin(*source); at != std::ranges::end(*source); ++at) places.push_back(at);
        return walked_axis<iterator, stores_elements<kept>>(std::move(places), owner());
      } else {
        using value = std::ranges::range_value_t<kept>;
        auto read = std::make_shared<std::vector<value>>();
        for (auto&& element : *source) read->push_back(static_cast<decltype(element)&&>(element));
        const auto& values = *read;
        return indexed_axis<decltype(values.begin()), true>(values.begin(), values.size(), read);
      }
    } else {
      return indexed_axis(static_cast<const plain*>(nullptr), 0, nullptr);  // so that there is no further error
    }
  }
}

template <class Range>
using axis_of = decltype(make_axis(std::declval<Range>()));

}  // namespace parmap::inline PARMAP_ABI::detail
