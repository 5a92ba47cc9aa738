// SPDX-License-Identifier: MIT
// checkpoint: a file in which a map stores its outcomes, so that a later run goes on where this one ended. Needs
// SQLite.
#pragma once

#include <parmap/detail/checkpoints/checkpoint_store.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/needs_64_bit_linux.hpp>
#include <parmap/detail/stores/stored_value.hpp>
#include <parmap/failure.hpp>
#include <parmap/store.hpp>

#include <concepts>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI {

/// An element of an axis, for checkpoint_options::existing: a number, a bool, text, or what else has a codec.
class axis_value {
 public:
  template <class T>
    requires(!std::same_as<T, axis_value> && detail::storable<T>)
  axis_value(const T& x)  // NOLINT(google-explicit-constructor): it is written {{"n", 1000}}
      : stored_(detail::to_stored(x)) {}

  /// For checkpoint().
  [[nodiscard]] const detail::stored_value& stored() const noexcept { return stored_; }

 private:
  detail::stored_value stored_;
};

/// How a checkpoint is used. The fields are in alphabetical order.
struct checkpoint_options {
  /// If the sweep has axes that the file does not know: which value of them the stored results have.
  ///
  ///     parmap::checkpoint("sweep.db", {.existing = {{"n", 1000}}, .name = "simulate"})
  std::map<std::string, axis_value> existing{};
  /// The name of f. Needed for a function and for a lambda, which have no name that stays; a class of yours has its
  /// own.
  std::string name{};
  /// The kinds of failures that run again when the map is resumed. None: all kinds. Tasks that were stopped always do.
  std::optional<std::vector<failure_kind>> rerun{};
  /// Another version begins anew in the same file; what earlier versions have stored stays there. Change it when f
  /// computes something else than before.
  std::string version{};
};

/// For options::store: keeps each outcome in a file (SQLite), as soon as it is there. If the program ends, for any
/// reason, the same call goes on with the tasks that are missing, and returns the whole: the values that are stored and
/// those that were missing. A failed task runs again.
///
///     #include <parmap/checkpoint.hpp>   // link parmap::checkpoint, or -lsqlite3
///
///     auto r = parmap::map(simulate, parmap::axis("mu", mus), parmap::axis("x0", x0s),
///                          {.store = parmap::checkpoint("sweep.db", {.name = "simulate"})});
///
/// An axis may grow, be put into another order, or be a part of what it was: a task is known by its elements, which are
/// compared bit for bit, and keeps its random numbers (context::rng) for ever. An axis of more than 100 000 elements is
/// compared in blocks of 4096, and may only grow at its end. A new axis needs checkpoint_options::existing. Refused, by
/// std::invalid_argument with both values: another name of f, other values in fargs, another type of value, another
/// seed, other axes, a fold in place of a map. What f captures cannot be compared; a line on stderr says so.
///
/// With options::part each part has a file of its own: part 3 of 16 of "sweep.db" is "sweep.part03.db".
///
/// For map, map_into, async_map, stream, map_reduce and fold, on every engine and pool; on mpi for map, where rank 0
/// writes. A stream stores an outcome when it takes it from the engine, so what waits unread when the program dies runs
/// again; its stored outcomes come first, or in order. map_reduce stores the value of each task, and combines all of
/// them in the calling thread. fold stores the accumulator after each task, with the bits that it has without a store;
/// beyond 2047 tasks it runs fold_block(n) maps one after the other, and its axes must stay as they are. SIGINT and
/// SIGTERM end a map, and not the program: see options::on_interrupt.
///
/// Python's parmap.checkpoint has the same files: a sweep that was begun there, under the same name, goes on here, and
/// the other way round. Numbers, text, std::optional, and std::vector, array, tuple, pair, map, unordered_map and
/// complex of these are the same in both. A stored value of another type throws store_failed, with both types.
///
/// A crash of the program, or of the machine, loses what was computed in the last 0.1 s and in the commit that was in
/// progress. A thread writes, so that neither a task nor the map waits for the disk, until 64 MiB wait. The map throws
/// store_failed if the file cannot be opened, is damaged, is another program's, or if another process is using it; or
/// when all tasks have ended, if it could not be written (then the map begins no new task).
///
/// The map reads its axes once more; their elements, or their keys (parmap::axis), and the values need a codec
/// (parmap::can_leave_worker). The file is
/// described in docs/internals/checkpoint-format.md; any SQLite shell shows its view `results`.
[[nodiscard]] inline std::shared_ptr<result_store> checkpoint(std::string path, checkpoint_options chosen = {}) {
  detail::checkpoint_request asked{.path = std::move(path),
                                   .name = std::move(chosen.name),
                                   .rerun = std::move(chosen.rerun),
                                   .version = std::move(chosen.version)};
  for (const auto& [name, value] : chosen.existing) asked.existing.emplace(name, value.stored());
  return std::make_shared<detail::checkpoint_store>(std::move(asked));
}

}  // namespace parmap::inline PARMAP_ABI
