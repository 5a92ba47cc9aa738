// SPDX-License-Identifier: MIT
// python_pool: the worker processes of a parmap.Executor, as its maps and its submitted tasks use them.
#pragma once

#include "fork_counter.hpp"
#include "large_buffer_file.hpp"
#include "map_of_thread.hpp"
#include "pool_calls.hpp"
#include "python_map.hpp"
#include "shared_object.hpp"
#include "spawned_worker.hpp"
#include "value_transport.hpp"
#include "worker_setup.hpp"

#include <nanobind/nanobind.h>

#include <parmap/detail/pools/pool_dispatcher.hpp>
#include <parmap/detail/system/fork_generation.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace parmap::python {

class pool_submissions;

/// Made, used and destroyed with the GIL held, by any thread.
class python_pool {
 public:
  struct terms {
    detail::pool_terms processes;
    process_needs needs;
    pool_readers readers;
    nanobind::object keep;     // a tuple of all that these handles refer to
    nanobind::handle broken;   // broken(text) makes the exception when the workers are gone
    std::uint64_t first_task;  // the number of the first one that is submitted
  };

  /// Forks. `asked`: what a pool and a map have in common. Throws what map throws before any task begins.
  python_pool(request&& asked, terms&& on);
  python_pool(const python_pool&) = delete;
  python_pool& operator=(const python_pool&) = delete;
  /// Kills what runs, and ends the workers. Nobody waits for outcomes.
  ~python_pool();
  /// The workers are to be killed then.
  void end_at_once() noexcept { ends_at_once_ = true; }

  [[nodiscard]] detail::pool_dispatcher& dispatcher() noexcept { return *dispatcher_; }
  [[nodiscard]] pool_submissions& submissions() noexcept { return *submissions_; }
  /// Throws the exception for what ends the pool.
  [[noreturn]] void throw_broken(const char* why) const;
  [[nodiscard]] const request& asked() const noexcept { return asked_; }
  /// Copies these bytes to memory that its workers have, too, as long as there are any. Returns where; see
  /// shared_place.
  [[nodiscard]] const void* share(const void* from, std::size_t size);
  /// For a thread that reads results, see value_transport. It makes the transport current, and must restore
  /// current_map.
  void make_transport(std::optional<value_transport>& to, std::function<bool(const nanobind::object&)> interrupts);
  /// Whether this is the process that has made the pool.
  [[nodiscard]] bool is_at_home() const noexcept { return generation_ == detail::fork_generation(); }

 private:
  request asked_;
  terms on_;
  lookout watch_;
  std::uint64_t generation_{detail::fork_generation()};
  fork_counter::stream counted_;
  large_buffer_file buffers_{large_buffer_file::owner::stream};
  shared_object<worker_setup::cut_offs> cut_offs_;
  std::optional<worker_program> program_;
  std::optional<worker_setup> setup_;
  std::optional<value_transport> transport_;  // of the workers
  map_of_thread mine_;
  bool ends_at_once_{};
  std::optional<detail::pool_dispatcher> dispatcher_;
  std::vector<detail::kept_inputs> shared_;
  std::unique_ptr<pool_submissions> submissions_;
};

/// In a capsule, as an object of nanobind that lives until the program ends would be reported as a leak. Empty once the
/// pool has been closed.
using pool_holder = std::shared_ptr<python_pool>;

/// Throws std::runtime_error if it has been closed.
pool_holder pool_of(nanobind::handle capsule);

}  // namespace parmap::python
