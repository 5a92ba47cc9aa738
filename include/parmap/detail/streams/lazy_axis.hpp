// SPDX-License-Identifier: MIT
// lazy_axis: an axis that is read as the stream goes, as it is endless or can be read once only.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/streams/element_feed.hpp>
#include <parmap/detail/streams/shared_elements.hpp>
#include <parmap/encoding.hpp>
#include <parmap/product.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// The elements that have been read and are not dropped. Other threads read those that they have been told of; only the
// caller's thread reads and drops.
template <class V>
class lazy_elements : public element_feed {
 public:
  static constexpr std::uint64_t places = shared_elements::places;

  // Returns consume(element); by value, as the element may be gone then.
  template <class Consume>
  auto visit(std::uint64_t e, Consume&& consume) const {
    if constexpr (can_leave_worker<V>) {
      if (shared_ != nullptr) {
        byte_reader bytes = shared_->read(e);
        decoder in(bytes);
        const V element = in.get<V>();
        return consume(element);
      }
    }
    return consume(std::as_const(*block_of(e)->elements[e % per_block]));
  }

  void one_is_taken(std::uint64_t e) final {
    block& it = *block_of(e);
    if (--it.left[e % per_block] > 0) return;
    if (shared_ != nullptr) return shared_->drop(e);
    it.elements[e % per_block].reset();
    --held_;
  }
  [[nodiscard]] bool has_room() const noexcept final {
    const block* const it = block_of(read_).get();
    return it == nullptr || it->left[read_ % per_block] == 0;
  }
  [[nodiscard]] std::uint64_t bytes() const noexcept final {
    return shared_ != nullptr ? shared_->bytes() : held_ * sizeof(V);
  }
  void share(shared_elements& to) final { shared_ = &to; }

 protected:
  template <class Element>
  void add(Element&& element) {
    std::unique_ptr<block>& there = block_of(read_);
    if (there == nullptr) there = std::make_unique<block>();
    if (shared_ == nullptr) {
      there->elements[read_ % per_block].emplace(std::forward<Element>(element));
      ++held_;
    } else if constexpr (can_leave_worker<V>) {
      const V& it = element;
      shared_->put(read_, [&it](byte_writer& bytes) { encoder(bytes).put(it); });
    }
    there->left[read_ % per_block] = tasks_of_one();
    ++read_;
  }

 private:
  static constexpr std::uint64_t per_block = 1024;

  struct block {
    std::array<std::optional<V>, per_block> elements;
    std::array<std::uint64_t, per_block> left{};  // outcomes of the element that have not been taken
  };

  [[nodiscard]] std::unique_ptr<block>& block_of(std::uint64_t e) noexcept { return blocks_[e % places / per_block]; }
  [[nodiscard]] const std::unique_ptr<block>& block_of(std::uint64_t e) const noexcept {
    return blocks_[e % places / per_block];
  }

  std::array<std::unique_ptr<block>, places / per_block> blocks_;
  std::uint64_t held_{};
  shared_elements* shared_{};
};

// `Range` is a reference for the caller's range, which is read in place.
template <class Range>
class read_elements final : public lazy_elements<std::ranges::range_value_t<Range>> {
 public:
  explicit read_elements(Range&& range) : range_(std::forward<Range>(range)) {}

  bool read_one() override {
    // The iterator moves on only when an element is wanted: to move it may wait for input.
    if (!at_) at_.emplace(std::ranges::begin(range_));
    else if (!at_end_) ++*at_;
    at_end_ = at_end_ || *at_ == std::ranges::end(range_);
    if (at_end_) return false;
    this->add(**at_);
    return true;
  }

 private:
  Range range_;
  std::optional<std::ranges::iterator_t<Range>> at_;
  bool at_end_{};
};

// The elements of several ranges together.
template <class... Ranges>
class zipped_elements final : public lazy_elements<std::tuple<std::ranges::range_value_t<Ranges>...>> {
 public:
  explicit zipped_elements(std::tuple<Ranges...>&& ranges) : ranges_(std::move(ranges)) {}

  bool read_one() override { return read(std::index_sequence_for<Ranges...>()); }

 private:
  template <std::size_t... K>
  bool read(std::index_sequence<K...>) {
    if (at_end_) return false;
    const bool first = !at_;
    if (first) at_.emplace(std::ranges::begin(std::get<K>(ranges_))...);
    else (static_cast<void>(++std::get<K>(*at_)), ...);
    const std::array<bool, sizeof...(K)> ended{(std::get<K>(*at_) == std::ranges::end(std::get<K>(ranges_)))...};
    at_end_ = (ended[K] || ...);
    if (at_end_ && !((ended[K] || endless<Ranges>) && ...))
      throw std::invalid_argument("parmap::zip: the axes have unequal lengths: one has ended after " +
                                  std::to_string(this->read_) + " elements, another has more");
    if (at_end_) return false;
    this->add(std::tuple<std::ranges::range_value_t<Ranges>...>(*std::get<K>(*at_)...));
    return true;
  }

  std::tuple<Ranges...> ranges_;
  std::optional<std::tuple<std::ranges::iterator_t<Ranges>...>> at_;
  bool at_end_{};
};

// As a space: see axis.hpp. It has no size that anybody knows.
template <class V>
class lazy_axis {
 public:
  using elements = list<const V&>;
  using lazy_element = V;

  explicit lazy_axis(std::shared_ptr<lazy_elements<V>> read) noexcept : read_(std::move(read)) {}

  [[nodiscard]] element_feed* feed() const noexcept { return read_.get(); }
  [[nodiscard]] std::uint64_t size() const noexcept { return std::numeric_limits<std::uint64_t>::max(); }
  [[nodiscard]] auto cursor(std::uint64_t i) const { return index_cursor{*this, i}; }
  template <class Consume>
  auto spread(std::uint64_t i, Consume&& consume) const {
    return read_->visit(i, std::forward<Consume>(consume));
  }
  template <class To>
  void show(std::uint64_t i, To& to) const {
    spread(i, [&to](const V& element) { to.add(element); });
  }

 private:
  std::shared_ptr<lazy_elements<V>> read_;
};

// The same, of tuples that are spread into arguments.
template <class... V>
class lazy_zip {
 public:
  using elements = list<const V&...>;

  explicit lazy_zip(std::shared_ptr<lazy_elements<std::tuple<V...>>> read) noexcept : read_(std::move(read)) {}

  [[nodiscard]] element_feed* feed() const noexcept { return read_.get(); }
  [[nodiscard]] std::uint64_t size() const noexcept { return std::numeric_limits<std::uint64_t>::max(); }
  [[nodiscard]] auto cursor(std::uint64_t i) const { return index_cursor{*this, i}; }
  template <class Consume>
  auto spread(std::uint64_t i, Consume&& consume) const {
    return read_->visit(i, [&consume](const std::tuple<V...>& all) { return std::apply(consume, all); });
  }
  template <class To>
  void show(std::uint64_t i, To& to) const {
    spread(i, [&to](const V&... each) { (to.add(each), ...); });
  }

 private:
  std::shared_ptr<lazy_elements<std::tuple<V...>>> read_;
};

// An endless axis whose elements can be had by index, such as std::views::iota(0). Nothing of it is read ahead.
template <class Iterator, bool Stored>
class endless_axis : public indexed_axis<Iterator, Stored> {
 public:
  endless_axis(Iterator first, std::shared_ptr<const void> owner)
      : indexed_axis<Iterator, Stored>(std::move(first), std::numeric_limits<std::uint64_t>::max(), std::move(owner)) {}

  [[nodiscard]] static element_feed* feed() noexcept { return nullptr; }
};

// Every combination of an axis without a known size and other axes.
template <class First, class Rest>
class unbounded_product {
 public:
  using elements = concat_t<typename First::elements, typename Rest::elements>;

  unbounded_product(First first, Rest rest) : first_(std::move(first)), rest_(std::move(rest)), of_one_(rest_.size()) {
    if (first_.feed() != nullptr) first_.feed()->set_tasks_of_one(of_one_);
  }

  [[nodiscard]] element_feed* feed() const noexcept { return first_.feed(); }
  [[nodiscard]] const First& first() const noexcept { return first_; }
  [[nodiscard]] const Rest& rest() const noexcept { return rest_; }
  // Whether there are no combinations, however many elements come.
  [[nodiscard]] bool is_empty() const noexcept { return of_one_ == 0; }
  [[nodiscard]] std::uint64_t size() const noexcept { return std::numeric_limits<std::uint64_t>::max(); }
  [[nodiscard]] auto cursor(std::uint64_t i) const { return index_cursor{*this, i}; }
  template <class Consume>
  decltype(auto) spread(std::uint64_t i, Consume&& consume) const {
    return first_.spread(i / of_one_, [&](auto&&... head) -> decltype(auto) {
      return rest_.spread(i % of_one_, [&](auto&&... tail) -> decltype(auto) {
        return consume(static_cast<decltype(head)&&>(head)..., static_cast<decltype(tail)&&>(tail)...);
      });
    });
  }
  template <class To>
  void show(std::uint64_t i, To& to) const {
    first_.show(i / of_one_, to);
    rest_.show(i % of_one_, to);
  }

 private:
  First first_;
  Rest rest_;
  std::uint64_t of_one_;
};

template <class Space>
inline constexpr bool is_unbounded = requires(const Space& space) { space.feed(); };

// The type of the elements that are read as the stream goes; void: there are none.
template <class Space>
struct lazy_element_of {
  using type = void;
};
template <class V>
struct lazy_element_of<lazy_axis<V>> {
  using type = V;
};
template <class... V>
struct lazy_element_of<lazy_zip<V...>> {
  using type = std::tuple<V...>;
};
template <class First, class Rest>
struct lazy_element_of<unbounded_product<First, Rest>> : lazy_element_of<First> {};

// Whether the elements that are read as a stream of these tasks goes can be sent to worker processes.
template <class Tasks>
consteval bool can_send_elements() {
  if constexpr (requires { typename Tasks::space_type; }) {
    using element = typename lazy_element_of<typename Tasks::space_type>::type;
    if constexpr (!std::is_void_v<element>) return can_leave_worker<element>;
  }
  return true;
}

template <class... Ranges>
auto make_first_axis(unread_zip<Ranges...> zipped) {
  return lazy_zip<std::ranges::range_value_t<Ranges>...>(
      std::make_shared<zipped_elements<Ranges...>>(std::move(zipped.ranges)));
}
// The first axis of a stream.
template <class Range>
auto make_first_axis(Range&& range) {
  if constexpr (!is_read_as_it_goes<Range>()) {
    return make_axis(std::forward<Range>(range));
  } else if constexpr (std::ranges::random_access_range<Range>) {
    using plain = std::remove_cvref_t<Range>;
    if constexpr (std::is_lvalue_reference_v<Range>) {
      return endless_axis<std::ranges::iterator_t<Range>, stores_elements<Range>>(std::ranges::begin(range), nullptr);
    } else {
      auto owner = std::make_shared<plain>(std::forward<Range>(range));
      return endless_axis<std::ranges::iterator_t<plain>, stores_elements<plain>>(std::ranges::begin(*owner), owner);
    }
  } else {
    return lazy_axis<std::ranges::range_value_t<Range>>(
        std::make_shared<read_elements<Range>>(std::forward<Range>(range)));
  }
}

// The space of a stream's axes.
template <class First, class... Rest>
auto make_stream_space(First&& first, Rest&&... rest) {
  if constexpr (!is_read_as_it_goes<First>()) {
    if constexpr (sizeof...(Rest) == 0) return make_axis(std::forward<First>(first));
    else return product(std::forward<First>(first), std::forward<Rest>(rest)...);
  } else if constexpr (sizeof...(Rest) == 0) {
    return make_first_axis(std::forward<First>(first));
  } else {
    auto others = product(std::forward<Rest>(rest)...);
    auto axis = make_first_axis(std::forward<First>(first));
    return unbounded_product<decltype(axis), decltype(others)>(std::move(axis), std::move(others));
  }
}

}  // namespace parmap::inline PARMAP_ABI::detail
