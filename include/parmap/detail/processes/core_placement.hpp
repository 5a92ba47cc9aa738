// SPDX-License-Identifier: MIT
// core_placement: the core on which a worker process starts.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/detail/system/linux/cpu_mask.hpp>

#include <sched.h>
#include <sys/types.h>

#include <cstddef>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The kernel often puts two new processes on one core, which they share for 8 ms before they are balanced (seen in half
// of all maps on 2 cores). So the supervisor gives each worker a core of its own at its start. Before its first task
// the worker takes back all the cores that it may use. A refused call costs only those 8 ms.
class core_placement {
 public:
  explicit core_placement(unsigned workers) : all_(affinity()) {
    for (std::size_t cpu = 0; cpu < all_.cpus(); ++cpu)
      if (all_.has(cpu)) usable_.push_back(cpu);
    if (workers < 2 || workers > usable_.size()) usable_.clear();
    // The supervisor's own core comes last, as the supervisor is busy there until the last fork.
    const auto here = static_cast<std::size_t>(::sched_getcpu());
    for (std::size_t k = 0; k < usable_.size(); ++k)
      if (usable_[k] == here) first_ = k + 1;
  }

  // Call before the child begins.
  void put(pid_t child, unsigned w) const {
    if (usable_.empty()) return;
    cpu_mask one(all_.cpus());
    one.add(usable_[(first_ + w) % usable_.size()]);
    static_cast<void>(::sched_setaffinity(child, one.bytes(), one.get()));
  }
  // Call in the child.
  void release() const noexcept {
    if (!usable_.empty()) static_cast<void>(::sched_setaffinity(0, all_.bytes(), all_.get()));
  }

 private:
  cpu_mask all_;
  std::vector<std::size_t> usable_;
  std::size_t first_{};  // the index in usable_ of worker 0's core
};

}  // namespace parmap::inline PARMAP_ABI::detail
