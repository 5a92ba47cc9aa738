// SPDX-License-Identifier: MIT
// The engines that the suites run over, one type each.
#pragma once

#ifdef PARMAP_TEST_MPI
#include <parmap/mpi.hpp>
#include <parmap/parmap.hpp>

#include <cstdlib>
#elif defined(PARMAP_SINGLE_HEADER)
#include <parmap.hpp>
#else
#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <asio/awaitable.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#endif

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace engines {

#ifdef PARMAP_TEST_MPI

// The suites under mpirun: every rank runs every test, and has all values. PARMAP_TEST_INNER says how tasks run.
struct mpi {
  static std::string_view inner_name() {
    const char* const name = std::getenv("PARMAP_TEST_INNER");
    return name != nullptr ? name : "multi";
  }
  static parmap::inner_engine inner() {
    if (inner_name() == "threads") return parmap::threads;
    if (inner_name() == "serial") return parmap::serial;
    return parmap::multi;
  }
  static inline const auto engine = parmap::mpi.with({.gather = parmap::gather::all, .inner = inner()});

  // Whether the reporter is called on this rank.
  static bool has_reporter() {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank == 0;
  }
  // Whether a stop that a task requests reaches its worker: those of a stream look at the caller's memory, not at
  // theirs.
  static bool has_stops_of_tasks() { return inner_name() != "multi"; }
  // Each may begin so many tasks more.
  static int agents() {
    int ranks = 1;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    return ranks;
  }
};
using all = ::testing::Types<mpi>;
using skipping = all;
using skipping_or_named = all;

struct names {
  template <class Engine>
  static std::string GetName(int) {
    return std::string(Engine::engine.name());
  }
};

#else

struct serial {
  static constexpr auto& engine = parmap::serial;
};
struct threads {
  static constexpr auto& engine = parmap::threads;
};
#if PARMAP_LINUX
struct multi {
  static constexpr auto& engine = parmap::multi;
};
#endif
// Forwards to one of the engines above. As it instantiates all of them again in each suite, it stands in only a few:
// values, failures, map_into, and its own messages (options_test).
struct named {
  static inline const auto engine = parmap::engine_named(PARMAP_LINUX ? "multi" : "threads");
};

#ifdef PARMAP_SINGLE_HEADER
using all = ::testing::Types<serial, threads, multi>;
using skipping = ::testing::Types<threads, multi>;
using skipping_or_named = ::testing::Types<threads, multi, named>;
using in_process = ::testing::Types<serial, threads>;
#else
// Turns a map with a plain f into one whose f is a coroutine that first lets other tasks run.
template <class Work>
class as_coroutines {
 public:
  using result = asio::awaitable<typename Work::result>;
  static constexpr bool takes_context = Work::takes_context;

  explicit as_coroutines(const Work& plain) : plain_(plain) {}

  [[nodiscard]] std::uint64_t size() const noexcept { return plain_.size(); }
  [[nodiscard]] auto elements(std::uint64_t i) const { return plain_.elements(i); }
  [[nodiscard]] auto* observer() const noexcept { return plain_.observer(); }
  using element_types = typename Work::element_types;
  template <class To>
  void show(std::uint64_t i, To& to) const {
    plain_.show(i, to);
  }
  template <class Elements, class Context>
  result call(Elements& held, Context& self) const {
    co_await asio::post(asio::use_awaitable);
    co_return plain_.call(held, self);
  }

 private:
  Work plain_;
};

struct async_engine {
  static constexpr std::string_view name() noexcept { return "async"; }
  template <class Work>
  auto run(const Work& work, const parmap::options& chosen) const -> parmap::results<typename Work::result> {
    return parmap::async.run(as_coroutines<Work>(work), chosen);
  }
};
struct async {
  static constexpr async_engine engine{};
};

#if PARMAP_LINUX
using all = ::testing::Types<serial, threads, multi, async>;
// The engines that skip failed tasks instead of halting.
using skipping = ::testing::Types<threads, multi, async>;
#else
using all = ::testing::Types<serial, threads, async>;
using skipping = ::testing::Types<threads, async>;
#endif
#if defined(__SANITIZE_ADDRESS__)
using skipping_or_named = skipping;
#elif !PARMAP_LINUX
using skipping_or_named = ::testing::Types<threads, async, named>;
#else
using skipping_or_named = ::testing::Types<threads, multi, async, named>;
#endif
// The engines that run tasks in this process.
using in_process = ::testing::Types<serial, threads, async>;
#endif

struct names {
  template <class Engine>
  static std::string GetName(int) {
    return (std::is_same_v<Engine, named> ? "named_" : "") + std::string(Engine::engine.name());
  }
};

#endif

// Whether the reporter of a map is called in this process.
template <class Engine>
bool has_reporter() {
  if constexpr (requires { Engine::has_reporter(); }) return Engine::has_reporter();
  else return true;
}
// Whether a task that requests a stop stops its map.
template <class Engine>
bool has_stops_of_tasks() {
  if constexpr (requires { Engine::has_stops_of_tasks(); }) return Engine::has_stops_of_tasks();
  else return true;
}
// How many groups of workers stop by themselves when there are too many failures.
template <class Engine>
int agents() {
  if constexpr (requires { Engine::agents(); }) return Engine::agents();
  else return 1;
}

}  // namespace engines
