// SPDX-License-Identifier: MIT
// started_processes: ends what the tasks of a worker have started, when the worker is about to be killed or the map
// ends.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/child_process.hpp>
#include <parmap/detail/system/process_tree.hpp>

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// In the supervisor. The destructor ends what earlier tasks of killed workers have started; no worker is alive then.
class started_processes {
 public:
  static constexpr std::uint64_t none_since = ~std::uint64_t{0};  // nothing was started so late

  started_processes() = default;
  started_processes(const started_processes&) = delete;
  started_processes& operator=(const started_processes&) = delete;
  ~started_processes() {
    for (const held_process& each : kept_) end_with_descendants(each);
    reap(kept_);
    for (auto& [worker, dead] : dead_below_) reap(dead);
  }

  // Ends what the tasks of a stopped worker have started at `since` or later (start_time); keeps what they have started
  // before, to be ended with the map: not more than some, as each takes a descriptor.
  void end_those_of(const child_process& worker, std::uint64_t since) noexcept {
    if (!worker.is_ours()) return;  // it has died, and its pid may be another process's
    try {
      ended_descendants found =
          end_descendants(worker.pid(), {.sessions = {::getsid(0), ::getsid(worker.pid())}, .since = since});
      std::ranges::move(found.dead, std::back_inserter(dead_below_[worker.pid()]));
      std::ranges::move(found.spared, std::back_inserter(kept_));
      if (kept_.size() > std::size_t{most_kept}) drop_ended(kept_);
      if (kept_.size() > std::size_t{most_kept}) kept_.erase(kept_.begin() + most_kept, kept_.end());
    } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch): the kill of the worker does not depend on it
      // Memory has run out; they live on.
    }
  }

  // Call when a killed worker has been reaped: reaps what was killed below it, if this process has inherited that.
  void reap_below(pid_t worker) noexcept {
    const auto found = dead_below_.find(worker);
    if (found == dead_below_.end()) return;
    reap(found->second);
    dead_below_.erase(found);
  }

 private:
  static constexpr std::ptrdiff_t most_kept = 128;

  static void reap(std::vector<held_process>& dead) noexcept {
    if (!dead.empty() && adopts_orphans()) reap_adopted(dead, std::chrono::milliseconds(100));
  }

  std::vector<held_process> kept_;
  // By worker, which may still live: this process inherits what is dead below it only when it dies.
  std::map<pid_t, std::vector<held_process>> dead_below_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
