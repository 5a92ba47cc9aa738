// SPDX-License-Identifier: MIT
// engine_named: an engine chosen by name at run time.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/streams/element_feed.hpp>
#include <parmap/detail/streams/lazy_axis.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/engine/default.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/engine/serial.hpp>
#include <parmap/engine/threads.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace parmap::inline PARMAP_ABI {

namespace detail {

using named_engines = std::conditional_t<has_multi, std::variant<serial_engine, threads_engine, multi_engine>,
                                         std::variant<serial_engine, threads_engine>>;

// The one of this name. Throws std::invalid_argument if there is none.
template <class... Engines>
std::variant<Engines...> engine_with_name(std::string_view name, std::type_identity<std::variant<Engines...>> /*all*/) {
  std::optional<std::variant<Engines...>> found;
  ((Engines::name() == name ? static_cast<void>(found.emplace(Engines())) : static_cast<void>(0)), ...);
  if (found) return *found;
  std::string names;
  std::size_t left = sizeof...(Engines);
  ((names += std::string(Engines::name()) + (--left > 1 ? ", " : left == 1 ? " and " : "")), ...);
  throw std::invalid_argument("parmap: there is no engine \"" + std::string(name) + "\"; the names are " + names +
                              (!has_multi && name == multi.name() ? "; multi needs Linux" : ""));
}

}  // namespace detail

/// One of the engines serial, threads and multi, chosen at run time. engine_named makes it. Cheap to copy; several
/// threads may use it at once.
class named_engine {
 public:
  /// One of the engine objects. On systems other than Linux it cannot be multi.
  using choice = detail::named_engines;

  /// This engine. engine_named calls it.
  explicit named_engine(choice chosen) noexcept : chosen_(chosen) {}

  /// The name of the chosen engine.
  [[nodiscard]] std::string_view name() const {
    return chosen_.index() == 0 ? serial.name() : chosen_.index() == 1 ? threads.name() : multi.name();
  }

  /// What map calls: runs the tasks on the chosen engine. Throws std::invalid_argument if that is multi and the result
  /// type cannot leave a worker process.
  template <class Work>
  auto run(const Work& work, const options& chosen) const -> results<typename Work::result> {
    return visit<typename Work::result>([&](const auto& it) { return it.run(work, chosen); });
  }
  /// What map_into calls. Throws as run does.
  template <class Work, class First>
  results<void> run_into(First first, const Work& work, const options& chosen) const {
    return visit<typename Work::result>([&](const auto& it) { return detail::run_into(it, first, work, chosen); });
  }

  /// What stream calls. Throws as run does.
  template <class Work>
  std::unique_ptr<detail::outcome_source<typename Work::result>> open_stream(const Work& work, const options& chosen,
                                                                             std::optional<std::uint64_t> size,
                                                                             detail::element_feed* feed) const {
    using source = std::unique_ptr<detail::outcome_source<typename Work::result>>;
    return visit<typename Work::result>([&](const auto& it) -> source {
      if constexpr (std::same_as<std::remove_cvref_t<decltype(it)>, multi_engine> && !detail::can_send_elements<Work>())
        throw std::invalid_argument("parmap: the elements of an axis that is read as the stream goes cannot be sent to "
                                    "the workers of the engine "
                                    "multi; specialise parmap::codec for them, or choose serial or threads");
      else return it.open_stream(work, chosen, size, feed);
    });
  }

  /// Returns run(engine) with the chosen engine. Throws as above if that is multi and a Value cannot leave a worker.
  template <class Value, class Run>
  auto visit(const Run& run) const {
    return std::visit(
        [&](const auto& it) -> std::invoke_result_t<Run, const serial_engine&> {
          if constexpr (std::same_as<std::remove_cvref_t<decltype(it)>, multi_engine> && !can_leave_worker<Value>)
            throw std::invalid_argument("parmap: the result type of f cannot leave a worker process of the engine "
                                        "multi; specialise parmap::codec for it, or choose "
                                        "serial or threads");
          else return run(it);
        },
        chosen_);
  }

 private:
  choice chosen_;
};

/// Returns the engine of this name: "serial", "threads" or "multi". Throws std::invalid_argument for any other name;
/// the message lists the names.
///
///     const auto engine = parmap::engine_named(argc > 1 ? argv[1] : "multi");
///     auto y = parmap::map(engine, f, x);
///
/// If the engine is multi and the result type of f cannot leave a worker, map throws std::invalid_argument before any
/// task begins.
[[nodiscard]] inline named_engine engine_named(std::string_view name) {
  return named_engine(detail::engine_with_name(name, std::type_identity<named_engine::choice>()));
}

static_assert(engine<named_engine>);

}  // namespace parmap::inline PARMAP_ABI
