// SPDX-License-Identifier: MIT
// pool_submissions: the tasks that were given to an executor by submit() and map(), and their outcomes.
#pragma once

#include "pool_calls.hpp"
#include "value_transport.hpp"

#include <nanobind/nanobind.h>

#include <parmap/detail/pools/pool_dispatcher.hpp>
#include <parmap/detail/pools/pool_job.hpp>
#include <parmap/detail/streams/outcome_source.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace parmap::python {

class python_pool;

/// Each task has a number, that of its submission. Used with the GIL held, by any thread; one thread collects.
class pool_submissions final : private detail::pool_owner {
 public:
  /// `first`: the number of the first task.
  pool_submissions(python_pool& pool, std::uint64_t first);
  pool_submissions(const pool_submissions&) = delete;
  pool_submissions& operator=(const pool_submissions&) = delete;
  /// Without the GIL; kills what runs.
  ~pool_submissions();

  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }
  /// A task, whose outcome is told as (receiver, value, None) or (receiver, None, failure); see told_of(). Returns its
  /// number.
  std::uint64_t add(nanobind::object receiver, std::shared_ptr<detail::kept_function> f,
                    const pool_inputs_writer& inputs);
  /// A task for each place of `values`, where its value is put; failures are put into `failed`, by their place. It is
  /// told as (receiver, how many are left) that some have come. `inputs` are those of task next() and those after it.
  std::uint64_t add_block(nanobind::object receiver, nanobind::list values, nanobind::dict failed,
                          std::shared_ptr<detail::kept_function> f, const pool_inputs_writer& inputs);

  /// Waits for outcomes, at most for `patience`. Returns what is to be told. Throws what ends the pool.
  nanobind::list collect(std::chrono::nanoseconds patience);
  /// See pool_dispatcher::halt_task. All of them are told of, too.
  bool halt(std::uint64_t task);
  [[nodiscard]] bool has_begun(std::uint64_t task) const;
  void halt_block(std::uint64_t first, std::uint64_t count);
  void kill(std::optional<std::uint64_t> task);

 private:
  struct submitted {
    std::uint64_t count;
    std::uint64_t left;
    nanobind::object receiver;
    nanobind::object values;  // a list; of a block, like the next one
    nanobind::object failed;  // a dict
    bool is_block{};
    bool is_told{};  // it is in blocks_
  };

  void take(const detail::pool_outcome& it) override;
  std::uint64_t put(submitted&& what, std::shared_ptr<detail::kept_function> f, const pool_inputs_writer& inputs);

  python_pool& pool_;
  mutable nanobind::ft_mutex
      mutex_;  // the GIL, where there is one; guards the following, and is not held around Python code
  std::shared_ptr<detail::pool_job> job_;
  std::map<std::uint64_t, submitted> submitted_;                            // by the number of the first task
  std::map<std::uint64_t, submitted>::iterator latest_ = submitted_.end();  // of which a task has ended last
  nanobind::list told_;
  std::vector<std::pair<std::uint64_t, nanobind::object>> blocks_;  // to be told of, by their first task
  std::uint64_t next_{};
  std::optional<value_transport> transport_;
};

}  // namespace parmap::python
