// SPDX-License-Identifier: MIT
// pool_job: one map, stream or list of submitted tasks on a pool, as the dispatcher sees it.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/encoding/byte_reader_writer.hpp>
#include <parmap/detail/pools/kept_bytes.hpp>
#include <parmap/detail/pools/pool_owner.hpp>
#include <parmap/detail/pools/unsent_tasks.hpp>
#include <parmap/detail/schedule/due_queue.hpp>
#include <parmap/detail/schedule/tick_clock.hpp>
#include <parmap/detail/streams/outcome_source.hpp>
#include <parmap/failure.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// All but the constants belong to the dispatcher, under its lock.
class pool_job : public std::enable_shared_from_this<pool_job> {
 public:
  pool_job(const job_terms& on, std::shared_ptr<kept_function> f, pool_owner& by) noexcept
      : on_(on),
        function_(std::move(f)),
        owner_(&by) {}

 private:
  friend class pool_dispatcher;
  friend class batch_sender;
  friend class outcome_collector;

  struct postponed {
    std::chrono::steady_clock::time_point due;
    task_piece what;
  };
  using failed_tasks = std::map<std::uint64_t, task_piece>;
  // An outcome that another thread has collected.
  struct arrived {
    pool_outcome what;
    bool failed{};
    bool has_bytes{};
    failure why;
    std::vector<std::byte> bytes;
  };

  [[nodiscard]] bool is_over() const noexcept {
    return closed_ && unsent_.empty() && postponed_.empty() && in_flight_ == 0 && inbox_.empty();
  }

  job_terms on_;
  std::shared_ptr<kept_function> function_;
  pool_owner* owner_;  // null: nobody takes outcomes any more
  unsent_tasks unsent_;
  failed_tasks failed_;  // until the owner has said whether to try them again
  due_queue<postponed> postponed_;
  std::list<arrived> inbox_;
  std::condition_variable news_;                                    // outcomes have come, or nobody collects
  std::uint64_t limit_{std::numeric_limits<std::uint64_t>::max()};  // tasks below may be sent
  std::uint64_t in_flight_{};                                       // tasks that have been sent and have not ended
  std::uint64_t batches_{};                                         // that have them
  std::uint64_t taken_{};                                           // outcomes
  unsigned waiting_{};                                              // threads
  bool closed_{};                                                   // no further tasks come
  bool halted_{};                                                   // no further task is to begin
};

}  // namespace parmap::inline PARMAP_ABI::detail
