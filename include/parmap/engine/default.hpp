// SPDX-License-Identifier: MIT
// The engine of a call that names none: multi. Where it does not exist such a call is a compile error.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/streams/element_feed.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>

#if PARMAP_LINUX
#include <parmap/engine/multi.hpp>
#endif

namespace parmap::inline PARMAP_ABI {

namespace detail {
// Whether the engine multi exists, and not its name alone.
inline constexpr bool has_multi = PARMAP_LINUX != 0;
template <class T>
inline constexpr bool has_multi_for = has_multi;
}  // namespace detail

#if !PARMAP_LINUX
// Only names, so that the compiler says what to do instead.

class multi_engine {
 public:
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "multi"; }

  template <class Tasks>
  auto run(const Tasks& /*tasks*/, const options& /*chosen*/) const -> results<typename Tasks::result> {
    static_cast<void>(can_run<typename Tasks::result>());
    std::terminate();
  }
  template <class Tasks, class First>
  results<void> run_into(First /*first*/, const Tasks& /*tasks*/, const options& /*chosen*/) const {
    static_cast<void>(can_run<typename Tasks::result>());
    std::terminate();
  }
  template <class Tasks>
  auto open_stream(const Tasks& /*tasks*/, const options& /*chosen*/, std::optional<std::uint64_t> /*size*/,
                   detail::element_feed* /*feed*/) const
      -> std::unique_ptr<detail::outcome_source<typename Tasks::result>> {
    static_cast<void>(can_run<typename Tasks::result>());
    std::terminate();
  }

  template <class Value>
  static consteval bool can_run() {
    static_assert(detail::has_multi_for<Value>,
                  "parmap: the engine multi, which is the default, needs Linux; on this system name parmap::threads: "
                  "parmap::map(parmap::threads, f, xs)");
    return false;
  }
};

inline constexpr multi_engine multi{};

static_assert(engine<multi_engine>);

class __attribute__((unavailable("parmap: a pool forks its workers, which needs Linux; on this system name "
                                 "parmap::threads, whose threads are kept between maps, too"))) pool;
#endif

}  // namespace parmap::inline PARMAP_ABI
