// SPDX-License-Identifier: MIT
// The engine multi: forked worker processes, so that no task can take the map down.
#pragma once

#include <parmap/codec.hpp>
#include <parmap/detail/processes/multi_run.hpp>
#include <parmap/detail/processes/result_collector.hpp>
#include <parmap/detail/results/result_places.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/schedule/usable_cores.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

namespace parmap {

/// The default engine. Forks workers, which inherit f, its captures and all inputs; nothing is serialised on the way
/// in. A task that throws, crashes, exits, overflows its stack, is killed or hangs past options::timeout costs itself
/// alone: the failure names it, the worker is replaced, every other result comes back. Results are written in place
/// into shared memory (trivially copyable types, pairs, tuples and arrays of such) or travel through codec<T>.
///
/// What tasks write elsewhere vanishes with the worker, except in files and the like. Threads of the caller do not
/// exist in a worker: f must not wait for them or for a lock they hold. At a timeout everything the task had started is
/// killed with it; after other deaths, processes that a task had started may live on.
class multi_engine {
 public:
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "multi"; }

  template <class Work>
  auto run(const Work& work, const options& chosen) const -> results<typename Work::result> {
    using value = typename Work::result;
    if constexpr (can_run<value>()) return run(work, chosen, detail::places_of_their_own<value>(work.size()));
    else return results<value>({}, {}, 0);  // so that this is the only error
  }

  /// Values are moved to first[i], where `First` is a random-access iterator, once they are in the caller.
  template <class Work, class First>
  results<void> run_into(First first, const Work& work, const options& chosen) const {
    if constexpr (can_run<typename Work::result>())
      return run(work, chosen, detail::range_places<First>(std::move(first), work.size()));
    else return results<void>(0, {}, 0);
  }

 private:
  // If not, the compiler says so.
  template <class Value>
  static consteval bool can_run() {
    constexpr bool stays = detail::pointer_like<Value>;
    static_assert(!stays,
                  "parmap: a pointer, reference_wrapper, string_view or span (or a container of such) cannot leave a "
                  "worker process, as what it "
                  "refers to stays there; return the value itself (std::string, std::vector), or use parmap::threads");
    constexpr bool leaves = can_leave_worker<Value>;
    static_assert(stays || leaves,
                  "parmap: this result type cannot leave a worker process: it is not trivially copyable and has no "
                  "codec; specialise "
                  "parmap::codec for it, return something that has one, or use parmap::threads");
    return leaves;
  }

  template <class Work, class Places>
  static auto run(const Work& work, const options& chosen, Places places) {
    const std::uint64_t most = chosen.workers != 0 ? chosen.workers : detail::usable_cores();
    static_cast<void>(detail::ticks_per_us());  // measured once, before the forks
    return detail::multi_run<Work, Places>(
               work, chosen, static_cast<unsigned>(std::clamp<std::uint64_t>(work.size(), 1, most)), std::move(places))
        .run();
  }
};

/// See multi_engine.
inline constexpr multi_engine multi{};

static_assert(engine<multi_engine>);

}  // namespace parmap
