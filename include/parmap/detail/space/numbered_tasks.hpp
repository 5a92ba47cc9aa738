// SPDX-License-Identifier: MIT
// numbered_tasks: f and its index space as an engine sees them, numbered tasks that take no arguments.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/space/axis.hpp>
#include <parmap/detail/space/renumbering.hpp>

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI::detail {

// Whether f can be called with a space's elements, or with a context& before them.
template <class F, class Elements>
struct call_with;
template <class F, class... Elements>
struct call_with<F, list<Elements...>> {
  static constexpr bool plain = std::invocable<F&, Elements...>;
  static constexpr bool with_context = !plain && std::invocable<F&, context&, Elements...>;
};
template <class F, class Space>
struct callable {
  using how = call_with<F, typename Space::elements>;
  static constexpr bool value = how::plain || how::with_context;
};

template <class F, class Elements, bool WithContext>
struct returned;
template <class F, class... Elements>
struct returned<F, list<Elements...>, false> : std::invoke_result<F&, Elements...> {};
template <class F, class... Elements>
struct returned<F, list<Elements...>, true> : std::invoke_result<F&, context&, Elements...> {};
template <class F, class Space>
using result_of =
    std::remove_cvref_t<typename returned<F, typename Space::elements, callable<F, Space>::how::with_context>::type>;

template <class F, class Space>
consteval bool is_void_result() {
  if constexpr (callable<F, Space>::value) return std::is_void_v<result_of<F, Space>>;
  else return false;
}
template <class F, class Space>
inline constexpr bool returns_void = is_void_result<F, Space>();

// The return type of a coroutine that does not run until it is awaited: it has a promise and can be awaited. (A
// generator cannot.)
template <class T>
concept coroutine = requires { typename std::coroutine_traits<T>::promise_type; } &&
                    (requires(T it) { it.await_ready(); } || requires(T it) { it.operator co_await(); } ||
                     requires(T it) { operator co_await(static_cast<T&&>(it)); });

class attempt_observer;

// Refers to f, the space and the observer; all must outlive it. As safe to use from several threads at once as f is.
template <class F, class Space>
class numbered_tasks {
 public:
  using result = result_of<F, Space>;
  using space_type = Space;
  static constexpr bool takes_context = callable<F, Space>::how::with_context;

  numbered_tasks(F& f, const Space& space) noexcept : f_(&f), space_(&space) {}

  [[nodiscard]] std::uint64_t size() const noexcept {
    return renumbered_ == nullptr ? space_->size() : renumbered_->size();
  }
  [[nodiscard]] F& function() const noexcept { return *f_; }
  [[nodiscard]] const Space& space() const noexcept { return *space_; }
  // The same tasks with another f.
  [[nodiscard]] numbered_tasks with(F& f) const noexcept {
    numbered_tasks others(f, *space_);
    others.observer_ = observer_;
    others.renumbered_ = renumbered_;
    return others;
  }
  // Only those that are to run; null: all.
  [[nodiscard]] const renumbering* renumbered() const noexcept { return renumbered_; }
  [[nodiscard]] numbered_tasks renumbered_by(const renumbering& who) const noexcept {
    numbered_tasks same = *this;
    same.renumbered_ = &who;
    return same;
  }
  // Who hears of their attempts; null: nobody.
  [[nodiscard]] attempt_observer* observer() const noexcept { return observer_; }
  [[nodiscard]] numbered_tasks observed_by(attempt_observer& who) const noexcept {
    numbered_tasks same = *this;
    same.observer_ = &who;
    return same;
  }

  // Calls visit(i, call) for each i in [b, e) in order, until visit returns false. call() computes the arguments and
  // calls f.
  template <class Visit>
  void for_each(std::uint64_t b, std::uint64_t e, context& self, Visit&& visit) const {
    if (b >= e) return;
    if (renumbered_ != nullptr) return for_each_renumbered(b, e, self, visit);
    auto at = space_->cursor(b);
    for (std::uint64_t i = b; i < e; ++i, ++at) {
      const auto call = [&]() -> decltype(auto) {
        return at.spread([&](auto&&... x) -> decltype(auto) {
          if constexpr (takes_context) return std::invoke(*f_, self, static_cast<decltype(x)&&>(x)...);
          else return std::invoke(*f_, static_cast<decltype(x)&&>(x)...);
        });
      };
      if (!visit(i, call)) return;
    }
  }

  // See axis.hpp.
  using element_types = typename Space::elements;
  template <class To>
  void show(std::uint64_t i, To& to) const {
    space_->show(index_of(i), to);
  }

  // The elements of task i, to be kept while a coroutine that was called with them may refer to them.
  [[nodiscard]] auto elements(std::uint64_t i) const { return tuple_at(*space_, index_of(i)); }
  // Calls f with these elements; passes `self` if f takes a context.
  template <class Elements, class Context>
  decltype(auto) call(Elements& held, Context& self) const {
    if constexpr (takes_context)
      if (renumbered_ != nullptr) identify(self.position(), self);
    return std::apply(
        [&]<class... X>(X&... x) -> decltype(auto) { return call_as(typename Space::elements(), self, x...); }, held);
  }

 private:
  [[nodiscard]] std::uint64_t index_of(std::uint64_t i) const noexcept {
    return renumbered_ == nullptr ? i : renumbered_->index(i);
  }
  // Tells the context of task i who it is in the map.
  template <class Context>
  void identify(std::uint64_t i, Context& self) const noexcept {
    self.identify(renumbered_->index(i), renumbered_->stream(i));
  }

  // Apart, so that a map of all tasks does not pay for it.
  template <class Visit>
  [[gnu::noinline]] void for_each_renumbered(std::uint64_t b, std::uint64_t e, context& self, Visit& visit) const {
    for (std::uint64_t i = b; i < e; ++i) {
      const auto call = [&]() -> decltype(auto) {
        if constexpr (takes_context) identify(i, self);
        return space_->spread(renumbered_->index(i), [&](auto&&... x) -> decltype(auto) {
          if constexpr (takes_context) return std::invoke(*f_, self, static_cast<decltype(x)&&>(x)...);
          else return std::invoke(*f_, static_cast<decltype(x)&&>(x)...);
        });
      };
      if (!visit(i, call)) return;
    }
  }

  template <class... Element, class Context, class... X>
  decltype(auto) call_as(list<Element...>, [[maybe_unused]] Context& self, X&... x) const {
    if constexpr (takes_context) return std::invoke(*f_, self, static_cast<Element&&>(x)...);
    else return std::invoke(*f_, static_cast<Element&&>(x)...);
  }

  F* f_;
  const Space* space_;
  attempt_observer* observer_{};
  const renumbering* renumbered_{};
};

}  // namespace parmap::inline PARMAP_ABI::detail
