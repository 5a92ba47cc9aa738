// SPDX-License-Identifier: MIT
// The engine mpi: a map on all ranks of an MPI job.
#pragma once

#include <parmap/detail/cluster/cluster_map.hpp>
#include <parmap/detail/cluster/mpi_crew.hpp>
#include <parmap/detail/cluster/mpi_link.hpp>
#include <parmap/detail/cluster/node_plan.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/needs_64_bit_linux.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/engine/multi.hpp>
#include <parmap/engine/serial.hpp>
#include <parmap/engine/threads.hpp>
#include <parmap/map.hpp>
#include <parmap/options.hpp>
#include <parmap/results.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

namespace parmap::inline PARMAP_ABI {

/// Where the values of a map on parmap::mpi are in the end. ok(), failures(), size() and seed() of the results are the
/// same on every rank in any case.
enum class gather {
  root,  ///< on rank 0; elsewhere a read of the values throws std::logic_error
  all,   ///< on every rank
  none,  ///< where they were made: results::here() tells which those are; any other read throws std::logic_error
};

/// How the tasks run on each machine: mpi_options::inner takes parmap::multi, parmap::threads or parmap::serial.
class inner_engine {
 public:
  /// In processes that one rank of the machine forks, on all cores of its ranks: a crash, an exit or a hang costs one
  /// task.
  // NOLINTNEXTLINE(google-explicit-constructor): written {.inner = parmap::multi}
  constexpr inner_engine(multi_engine) noexcept : way_(detail::inner_way::multi) {}
  /// On threads of one rank of the machine, on all cores of its ranks.
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr inner_engine(threads_engine) noexcept : way_(detail::inner_way::threads) {}
  /// On every rank, one task after the other, on a thread beside that of the caller. A task that throws has a failure,
  /// as under threads.
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr inner_engine(serial_engine) noexcept : way_(detail::inner_way::serial) {}

  /// For the engine.
  [[nodiscard]] constexpr detail::inner_way way() const noexcept { return way_; }

 private:
  detail::inner_way way_;
};

/// The options of the engine mpi, in alphabetical order: see mpi_engine::with.
struct mpi_options {
  /// Where the values are in the end.
  parmap::gather gather{parmap::gather::root};
  /// How the tasks run on each machine.
  inner_engine inner{multi};
};

/// The engine that runs the tasks of a map on all ranks of an MPI job, so on many machines.
///
///     int main(int argc, char** argv) {
///       parmap::mpi_session session(argc, argv);
///       auto flows = parmap::map(parmap::mpi, simulate, meshes, {.timeout = 60s});   // every rank calls it
///       if (session.rank() == 0) save(flows.value_or(nan));
///     }
///
/// The call is collective, as those of MPI: every rank calls the same map with the same f, axes and options, as
/// everything outside map runs once on each rank. Ranks that disagree throw std::invalid_argument, all of them. f and
/// its captures must be the same, too, which cannot be checked.
///
/// On each machine one rank, the agent, runs tasks by the inner engine, on the union of the cores of its ranks; the
/// others sleep. So under multi, the default, a task that crashes, exits or hangs costs itself alone, and
/// failure::place says where it ran. Values, failures' indices and random numbers are those of the same map on one
/// machine. Agents are given ranges of tasks by the clock. The result type must be able to leave a worker, as under
/// multi. options::workers counts the workers of each machine. options::retry_if runs in a process of the agent;
/// options::reporter on rank 0; a request of options::stop on any rank stops the map. context::worker() counts on each
/// machine. failure::exception is null.
///
/// Rank 0 writes the files of options::store and options::trace. Outcomes go to it while the map runs, and a thread of
/// rank 0 stores them, at most 0.1 s after they have come there; a stored task runs on no rank again. Give the store on
/// all ranks; a file that refuses the map is an error on all. If a rank dies, MPI ends the whole job: what is stored
/// stays, and the same call in a new job does the rest.
///
/// One thread of a rank may be in a map at a time, the one that may call MPI; tasks of multi must not call MPI.
///
/// Throws what map throws, and on every rank std::logic_error if MPI is not initialised, if a task calls it, or if
/// several ranks were started that do not see each other; std::runtime_error if another rank's part has failed;
/// store_failed on rank 0 if outcomes could not be stored (elsewhere std::runtime_error that says so).
class mpi_engine {
 public:
  /// That of all ranks, MPI_COMM_WORLD, with default options: parmap::mpi.
  constexpr mpi_engine() noexcept = default;

  static constexpr bool is_collective = true;  // see map.hpp

  /// "mpi".
  [[nodiscard]] static constexpr std::string_view name() noexcept { return "mpi"; }

  /// The engine with other options: `parmap::mpi.with({.gather = parmap::gather::all, .inner = parmap::threads})`.
  [[nodiscard]] constexpr mpi_engine with(mpi_options chosen) const noexcept {
    mpi_engine other = *this;
    other.options_ = chosen;
    return other;
  }
  /// The engine on another communicator: `parmap::mpi.on(comm)`. All its ranks call the map. parmap uses a duplicate,
  /// which it makes at the first map and frees with the communicator.
  [[nodiscard]] mpi_engine on(MPI_Comm comm) const noexcept {
    mpi_engine other = *this;
    other.comm_ = comm;
    return other;
  }
  /// For map_reduce: the engine with the values on every rank.
  [[nodiscard]] constexpr mpi_engine gathering_on_all() const noexcept {
    return with({.gather = gather::all, .inner = options_.inner});
  }
  /// For map: where it is called.
  [[nodiscard]] constexpr mpi_engine at(const std::source_location& site) const noexcept {
    mpi_engine other = *this;
    other.site_ = site;
    return other;
  }

  /// What map calls.
  template <class Tasks>
  auto run(const Tasks& tasks, const options& chosen) const -> results<typename Tasks::result> {
    using value = typename Tasks::result;
    if constexpr (!can_run<value>()) {
      return results<value>({}, {}, 0);  // so that this is the only error
    } else {
      const std::string site = site_text();
      try {
        detail::mpi_crew& crew = crew_of(site);
        return detail::map_on_ranks(crew.link(), crew.memory(), tasks, chosen, site, target(), options_.inner.way());
      } catch (const std::exception& why) {
        detail::mpi_crew::last_error() = why.what();
        throw;
      }
    }
  }

  /// map_into has no values to write on most ranks: a compile error.
  template <class Tasks, class First>
  results<void> run_into(First /*first*/, const Tasks& /*tasks*/, const options& /*chosen*/) const {
    constexpr bool is_map_into = std::is_same_v<Tasks, void>;
    static_assert(is_map_into,
                  "parmap: map_into does not run on parmap::mpi, where the values are gathered on one rank or on all; "
                  "use parmap::map(parmap::mpi.with({.gather = parmap::gather::all}), f, ...)");
    return results<void>(0, {}, 0);
  }

 private:
  template <class Value>
  static consteval bool can_run() {
    if constexpr (std::is_void_v<Value>) return true;
    else return multi_engine::can_run<Value>();
  }
  [[nodiscard]] detail::value_target target() const noexcept {
    switch (options_.gather) {
      case gather::all: return detail::value_target::every_rank;
      case gather::none: return detail::value_target::nowhere_else;
      case gather::root: break;
    }
    return detail::value_target::rank_0;
  }
  [[nodiscard]] std::string site_text() const {
    std::string_view file = site_.file_name();
    if (const auto slash = file.rfind('/'); slash != file.npos) file.remove_prefix(slash + 1);
    if (file.empty()) return "unknown place";
    return std::string(file) + ':' + std::to_string(site_.line());
  }
  [[nodiscard]] detail::mpi_crew& crew_of(const std::string& site) const {
    int initialised = 0;
    int finalised = 0;
    MPI_Initialized(&initialised);
    MPI_Finalized(&finalised);
    if (initialised == 0 || finalised != 0)
      throw std::logic_error(
          initialised == 0 ? "parmap::mpi: MPI is not initialised; write in main, before the first map: "
                             "parmap::mpi_session session(argc, argv);"
                           : "parmap::mpi: MPI is finalised already; the map must end before the mpi_session does");
    int ranks = 0;
    detail::check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &ranks), "MPI_Comm_size");
    if (ranks == 1)
      if (const std::string wrong = detail::wrong_launcher(); !wrong.empty()) throw std::logic_error(wrong);
    return detail::mpi_crew::of(comm_ ? *comm_ : MPI_COMM_WORLD, site);
  }

  std::optional<MPI_Comm> comm_{};
  mpi_options options_{};
  std::source_location site_{};
};

/// The engine to name in a call: `parmap::map(parmap::mpi, f, x)`. See mpi_engine.
inline constexpr mpi_engine mpi{};

static_assert(engine<mpi_engine>);

/// Initialises MPI, unless that has been done, and finalises it at the end of its life, if it has initialised it. Make
/// one at the beginning of main:
///
///     parmap::mpi_session session(argc, argv);
///
/// If an exception leaves the scope of the session, the other ranks would wait for this one for ever: so the
/// destructor ends the whole job (MPI_Abort).
class mpi_session {
 public:
  /// Collective. MPI may be called by the thread that makes the session (MPI_THREAD_FUNNELED). Throws
  /// std::runtime_error if MPI fails, and std::logic_error if several ranks were started that do not see each other.
  mpi_session(int& argc, char**& argv) : exceptions_(std::uncaught_exceptions()) {
    int initialised = 0;
    MPI_Initialized(&initialised);
    if (initialised == 0) {
      int provided = 0;
      detail::check_mpi(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
      owns_ = true;
    }
    detail::check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
    detail::check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
    if (size_ == 1)
      if (const std::string wrong = detail::wrong_launcher(); !wrong.empty()) {
        if (owns_) MPI_Finalize();
        throw std::logic_error(wrong);
      }
    // So that the first map can say which ranks do not come.
    static_cast<void>(detail::mpi_crew::of(MPI_COMM_WORLD, "parmap::mpi_session"));
  }
  mpi_session(const mpi_session&) = delete;
  mpi_session& operator=(const mpi_session&) = delete;
  ~mpi_session() {
    if (std::uncaught_exceptions() > exceptions_) {
      const std::string& last = detail::mpi_crew::last_error();
      detail::say_on_stderr("parmap: an exception ends the mpi_session of rank " + std::to_string(rank_) +
                            "; the MPI job is ended, as the other ranks would wait for it" +
                            (last.empty() ? "" : "; the last map that failed: " + last) + '\n');
      // MPICH's mpirun drops what it has not forwarded yet when a rank aborts.
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      MPI_Abort(MPI_COMM_WORLD, 1);
    }
    int finalised = 0;
    MPI_Finalized(&finalised);
    if (owns_ && finalised == 0) MPI_Finalize();
  }

  /// The number of this rank in MPI_COMM_WORLD.
  [[nodiscard]] int rank() const noexcept { return rank_; }
  /// The number of ranks in MPI_COMM_WORLD.
  [[nodiscard]] int size() const noexcept { return size_; }

 private:
  int exceptions_;
  int rank_{};
  int size_{};
  bool owns_{};
};

/// The same as map on any engine; it notes where it is called, so that the ranks can say for whom they wait.
template <class F, detail::not_options A>
auto map(const mpi_engine& who, F&& f, A&& a, options chosen = {},
         std::source_location site = std::source_location::current()) {
  return detail::map_axes(who.at(site), f, std::move(chosen), std::forward<A>(a));
}
template <class F, detail::not_options A, detail::not_options B>
auto map(const mpi_engine& who, F&& f, A&& a, B&& b, options chosen = {},
         std::source_location site = std::source_location::current()) {
  return detail::map_axes(who.at(site), f, std::move(chosen), std::forward<A>(a), std::forward<B>(b));
}
template <class F, detail::not_options A, detail::not_options B, detail::not_options C>
auto map(const mpi_engine& who, F&& f, A&& a, B&& b, C&& c, options chosen = {},
         std::source_location site = std::source_location::current()) {
  return detail::map_axes(who.at(site), f, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                          std::forward<C>(c));
}
template <class F, detail::not_options A, detail::not_options B, detail::not_options C, detail::not_options D>
auto map(const mpi_engine& who, F&& f, A&& a, B&& b, C&& c, D&& d, options chosen = {},
         std::source_location site = std::source_location::current()) {
  return detail::map_axes(who.at(site), f, std::move(chosen), std::forward<A>(a), std::forward<B>(b),
                          std::forward<C>(c), std::forward<D>(d));
}

}  // namespace parmap::inline PARMAP_ABI
