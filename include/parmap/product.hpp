// SPDX-License-Identifier: MIT
// The index spaces: product (every combination of the axes) and zip (axes in lockstep). Both are lazy.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/space/axis.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// Every combination of the axes' elements; the last axis varies fastest. product() makes it. The combinations are
/// never stored. Several threads may read it at once if they may read the axes at once.
template <class... Axes>
class product_space {
 public:
  using elements = detail::concat_t<typename Axes::elements...>;

  /// What product() calls. Throws std::length_error at 2^64 combinations or more.
  explicit product_space(Axes... axes) : axes_(std::move(axes)...) {
    const auto all = sizes();
    if (std::ranges::find(all, std::uint64_t{0}) != all.end()) {
      size_ = 0;
      return;
    }
    for (const std::uint64_t n : all) {
      if (__builtin_mul_overflow(size_, n, &size_))
        throw std::length_error("parmap: the product of the axes has 2^64 tasks or more");
    }
  }

  /// The number of combinations. O(1).
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// The i-th combination: a std::tuple of what the axes' iterators return. Undefined if i >= size(). O(number of
  /// axes).
  [[nodiscard]] auto operator[](std::uint64_t i) const { return detail::tuple_at(*this, i); }

  /// For engines: a position in a walk through the combinations. Advancing it costs no division.
  class cursor_type {
   public:
    cursor_type(const product_space& space, std::uint64_t i) : space_(&space), sizes_(space.sizes()) {
      for (std::size_t axis = sizeof...(Axes); axis-- > 0;) {
        at_[axis] = i % sizes_[axis];
        i /= sizes_[axis];
      }
    }
    cursor_type& operator++() noexcept {
      for (std::size_t axis = sizeof...(Axes); axis-- > 0;) {
        if (++at_[axis] < sizes_[axis]) break;
        at_[axis] = 0;
      }
      return *this;
    }
    template <class Consume>
    decltype(auto) spread(Consume&& consume) const {
      return detail::spread_at<0>(space_->axes_, at_, std::forward<Consume>(consume));
    }

   private:
    friend product_space;

    const product_space* space_;
    std::array<std::uint64_t, sizeof...(Axes)> sizes_;
    std::array<std::uint64_t, sizeof...(Axes)> at_{};
  };

  /// For engines: the position of combination i.
  [[nodiscard]] cursor_type cursor(std::uint64_t i) const { return {*this, i}; }

  /// For engines: returns consume(elements...) for combination i.
  template <class Consume>
  decltype(auto) spread(std::uint64_t i, Consume&& consume) const {
    return cursor(i).spread(std::forward<Consume>(consume));
  }
  /// For engines: shows the elements of combination i, for the text of a failure.
  template <class To>
  void show(std::uint64_t i, To& to) const {
    detail::show_at(axes_, cursor(i).at_, to);
  }
  /// For engines: adds the named axes to the columns of a table. `place`: of these combinations among the tasks.
  template <class Columns>
  void add_columns(Columns& to, const typename Columns::place_type& place) const {
    std::array<typename Columns::place_type, sizeof...(Axes)> places{};
    const auto all = sizes();
    std::uint64_t stride = place.stride;
    for (std::size_t axis = sizeof...(Axes); axis-- > 0; stride *= all[axis]) places[axis] = {stride, all[axis]};
    detail::add_columns_of(axes_, to, places);
  }
  /// For engines: the axes themselves.
  [[nodiscard]] const std::tuple<Axes...>& axes() const noexcept { return axes_; }

 private:
  [[nodiscard]] std::array<std::uint64_t, sizeof...(Axes)> sizes() const noexcept {
    return std::apply([](const auto&... axis) { return std::array{axis.size()...}; }, axes_);
  }

  std::tuple<Axes...> axes_;
  std::uint64_t size_{1};
};

/// The axes in lockstep: the i-th elements together. zip() makes it. Several threads may read it at once if they may
/// read the axes at once.
template <class... Axes>
class zip_space {
 public:
  using elements = detail::concat_t<typename Axes::elements...>;

  /// What zip() calls. Throws std::invalid_argument if the axes have unequal lengths.
  explicit zip_space(Axes... axes) : axes_(std::move(axes)...) {
    const std::array sizes = std::apply([](const auto&... axis) { return std::array{axis.size()...}; }, axes_);
    size_ = sizes[0];
    for (std::size_t k = 1; k < sizes.size(); ++k)
      if (sizes[k] != size_)
        throw std::invalid_argument("parmap::zip: the axes have unequal lengths: axis 1 has " + std::to_string(size_) +
                                    ", axis " + std::to_string(k + 1) + " has " + std::to_string(sizes[k]));
  }

  /// The length of each axis. O(1).
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// The i-th elements: a std::tuple of what the axes' iterators return. Undefined if i >= size(). O(number of axes).
  [[nodiscard]] auto operator[](std::uint64_t i) const { return detail::tuple_at(*this, i); }

  /// For engines: the position of the i-th elements.
  [[nodiscard]] auto cursor(std::uint64_t i) const { return detail::index_cursor{*this, i}; }

  /// For engines: returns consume(elements...) for the i-th elements.
  template <class Consume>
  decltype(auto) spread(std::uint64_t i, Consume&& consume) const {
    std::array<std::uint64_t, sizeof...(Axes)> at;
    at.fill(i);
    return detail::spread_at<0>(axes_, at, std::forward<Consume>(consume));
  }
  /// For engines: shows the i-th elements, for the text of a failure.
  template <class To>
  void show(std::uint64_t i, To& to) const {
    std::array<std::uint64_t, sizeof...(Axes)> at;
    at.fill(i);
    detail::show_at(axes_, at, to);
  }
  /// For engines: adds the named axes to the columns of a table. `place`: of these elements among the tasks.
  template <class Columns>
  void add_columns(Columns& to, const typename Columns::place_type& place) const {
    std::array<typename Columns::place_type, sizeof...(Axes)> places;
    places.fill(place);
    detail::add_columns_of(axes_, to, places);
  }
  /// For engines: the axes themselves.
  [[nodiscard]] const std::tuple<Axes...>& axes() const noexcept { return axes_; }

 private:
  std::tuple<Axes...> axes_;
  std::uint64_t size_;
};

/// One axis that is every combination of the axes' elements; the last axis varies fastest. Use it for more than four
/// axes, and inside zip. An axis may itself be a product or a zip.
///
///     auto all = parmap::map(f, parmap::product(a, b, c, d, e));   // f(a[i], b[j], c[k], d[l], e[m])
///     auto mix = parmap::map(g, parmap::product(parmap::zip(a, b), c));   // g(a[i], b[i], c[k])
///
/// The result refers to an lvalue range, which must outlive it, and owns a temporary range. It reads the elements of a
/// range with random access when a task asks for them. This call walks once through any other range: it stores an
/// iterator to each element, or the elements of a range that can be read only once. Throws std::length_error at 2^64
/// combinations or more. O(number of axes), and O(n) for an axis of n elements without random access.
template <class... Ranges>
[[nodiscard]] auto product(Ranges&&... axes) {
  static_assert(sizeof...(Ranges) > 0, "parmap::product needs at least one axis");
  return product_space<detail::axis_of<Ranges>...>(detail::make_axis(std::forward<Ranges>(axes))...);
}

/// One axis that has the i-th elements of all axes together. Throws std::invalid_argument if the axes have unequal
/// lengths. It owns, reads and costs the same as product.
///
///     auto sums = parmap::map(add, parmap::zip(a, b));   // add(a[i], b[i])
///
/// If one of the axes is endless or can be read once only, stream reads all of them as it goes, when it is the first
/// axis there. It ends with the shortest; unless the others are endless, it then throws std::invalid_argument. map
/// reads such axes whole, and throws if their lengths are unequal.
template <class... Ranges>
[[nodiscard]] auto zip(Ranges&&... axes) {
  static_assert(sizeof...(Ranges) > 0, "parmap::zip needs at least one axis");
  if constexpr ((detail::is_read_as_it_goes<Ranges>() || ...))
    return detail::unread_zip<Ranges...>{std::tuple<Ranges...>(std::forward<Ranges>(axes)...)};
  else return zip_space<detail::axis_of<Ranges>...>(detail::make_axis(std::forward<Ranges>(axes))...);
}

namespace detail {
template <class... Ranges>
auto read_whole(unread_zip<Ranges...> all) {
  return std::apply(
      [](auto&... range) { return zip_space<axis_of<Ranges>...>(make_axis(std::forward<Ranges>(range))...); },
      all.ranges);
}
template <class... Axes>
inline constexpr bool is_space<product_space<Axes...>> = true;
template <class... Axes>
inline constexpr bool is_space<zip_space<Axes...>> = true;
template <class... Axes>
inline constexpr bool has_names<product_space<Axes...>> = std::disjunction_v<std::bool_constant<has_names<Axes>>...>;
template <class... Axes>
inline constexpr bool has_names<zip_space<Axes...>> = std::disjunction_v<std::bool_constant<has_names<Axes>>...>;
}  // namespace detail

}  // namespace parmap::inline PARMAP_ABI
