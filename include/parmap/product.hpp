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

/// Every combination of the axes; the last one varies fastest. The combinations are never stored: an index becomes a
/// tuple of references. Made by product().
template <class... Axes>
class product_space {
 public:
  using elements = detail::concat_t<typename Axes::elements...>;

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

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// The i-th combination. Undefined if i >= size(). O(number of axes).
  [[nodiscard]] auto operator[](std::uint64_t i) const { return detail::tuple_at(*this, i); }

  /// A position in a walk through the combinations. Advancing it costs no division.
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

  [[nodiscard]] cursor_type cursor(std::uint64_t i) const { return {*this, i}; }

  template <class Consume>
  decltype(auto) spread(std::uint64_t i, Consume&& consume) const {
    return cursor(i).spread(std::forward<Consume>(consume));
  }
  template <class To>
  void show(std::uint64_t i, To& to) const {
    detail::show_at(axes_, cursor(i).at_, to);
  }

 private:
  [[nodiscard]] std::array<std::uint64_t, sizeof...(Axes)> sizes() const noexcept {
    return std::apply([](const auto&... axis) { return std::array{axis.size()...}; }, axes_);
  }

  std::tuple<Axes...> axes_;
  std::uint64_t size_{1};
};

/// The axes in lockstep: the i-th elements together. Made by zip().
template <class... Axes>
class zip_space {
 public:
  using elements = detail::concat_t<typename Axes::elements...>;

  explicit zip_space(Axes... axes) : axes_(std::move(axes)...) {
    const std::array sizes = std::apply([](const auto&... axis) { return std::array{axis.size()...}; }, axes_);
    size_ = sizes[0];
    for (std::size_t k = 1; k < sizes.size(); ++k)
      if (sizes[k] != size_)
        throw std::invalid_argument("parmap::zip: the axes have unequal lengths: axis 1 has " + std::to_string(size_) +
                                    ", axis " + std::to_string(k + 1) + " has " + std::to_string(sizes[k]));
  }

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// The i-th elements together. Undefined if i >= size(). O(number of axes).
  [[nodiscard]] auto operator[](std::uint64_t i) const { return detail::tuple_at(*this, i); }

  [[nodiscard]] auto cursor(std::uint64_t i) const { return detail::index_cursor{*this, i}; }

  template <class Consume>
  decltype(auto) spread(std::uint64_t i, Consume&& consume) const {
    std::array<std::uint64_t, sizeof...(Axes)> at;
    at.fill(i);
    return detail::spread_at<0>(axes_, at, std::forward<Consume>(consume));
  }
  template <class To>
  void show(std::uint64_t i, To& to) const {
    std::array<std::uint64_t, sizeof...(Axes)> at;
    at.fill(i);
    detail::show_at(axes_, at, to);
  }

 private:
  std::tuple<Axes...> axes_;
  std::uint64_t size_;
};

/// Every combination of the axes; the last one varies fastest. Lvalue ranges are referred to and must outlive the
/// result, temporaries are owned, views are indexed lazily, and input ranges are read once, in this call. Throws
/// std::length_error at 2^64 combinations or more.
///
///     auto all = parmap::map(f, parmap::product(a, b, c, d, e));   // f(a[i], b[j], c[k], d[l], e[m])
template <class... Ranges>
[[nodiscard]] auto product(Ranges&&... axes) {
  static_assert(sizeof...(Ranges) > 0, "parmap::product needs at least one axis");
  return product_space<detail::axis_of<Ranges>...>(detail::make_axis(std::forward<Ranges>(axes))...);
}

/// The axes in lockstep. Ownership as for product. Throws std::invalid_argument if the axes have unequal lengths.
///
///     auto sums = parmap::map(add, parmap::zip(a, b));   // add(a[i], b[i])
template <class... Ranges>
[[nodiscard]] auto zip(Ranges&&... axes) {
  static_assert(sizeof...(Ranges) > 0, "parmap::zip needs at least one axis");
  return zip_space<detail::axis_of<Ranges>...>(detail::make_axis(std::forward<Ranges>(axes))...);
}

namespace detail {
template <class... Axes>
inline constexpr bool is_space<product_space<Axes...>> = true;
template <class... Axes>
inline constexpr bool is_space<zip_space<Axes...>> = true;
}  // namespace detail

}  // namespace parmap::inline PARMAP_ABI
